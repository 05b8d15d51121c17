package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/ramet-io/ramet/sdk"
)

// Query implements sdk.DB. Each call reads a fresh snapshot.
func (d *db) Query(ctx context.Context, q sdk.Query) (sdk.Rows, error) {
	if q.Level > sdk.ReadLinearizable {
		return nil, fmt.Errorf("%w: read level %d", sdk.ErrUnsupported, q.Level)
	}
	if err := d.gate.enter(); err != nil {
		return nil, err
	}
	defer d.gate.leave()
	c, err := d.readers.get(ctx)
	if err != nil {
		return nil, openError(d.path, err)
	}
	var r *rows
	err = retry(ctx, func() (err error) { r, err = d.query(ctx, c, q); return err })
	if err != nil {
		d.readers.put(c, isFatal(err))
		return nil, sqlError(err)
	}
	if r.raw == nil { // all of it was read
		d.readers.put(c, false)
		return r, nil
	}
	r.owner, r.back = d, func() {
		if q.Level != sdk.ReadLocal {
			_ = c.endRead() // the pool closes the connection then
		}
		d.readers.put(c, false)
	}
	d.opened(r)
	return r, nil
}

// query runs q on c. The rows still need c if r.raw is not nil.
func (d *db) query(ctx context.Context, c *conn, q sdk.Query) (*rows, error) {
	if q.Level == sdk.ReadLocal {
		return c.query(ctx, q.Statement, permitRead)
	}
	if err := c.exec("BEGIN"); err != nil {
		return nil, err
	}
	r, err := d.queryFenced(ctx, c, q)
	if err != nil || r.raw == nil {
		err = errors.Join(err, c.endRead())
	}
	return r, err
}

func (d *db) queryFenced(ctx context.Context, c *conn, q sdk.Query) (*rows, error) {
	stored, err := c.epoch()
	if err != nil {
		return nil, err
	}
	if stored > q.Epoch {
		return nil, fmt.Errorf("%w: the store is at epoch %d, this read carries %d; ask the new primary", sdk.ErrFenced, stored, q.Epoch)
	}
	return c.query(ctx, q.Statement, permitRead)
}

// permitRead refuses what a connection for reads must not run.
func permitRead(u usage) error {
	switch {
	case u.refused != "":
		return refusal(u)
	case u.writes:
		return fmt.Errorf("%w: the text writes; use Apply or Begin on the primary", sdk.ErrReadOnly)
	case u.control || u.savepoint != "":
		return fmt.Errorf("%w: a read is a transaction by itself; use Begin for a longer one", sdk.ErrInvalid)
	}
	return nil
}

// query runs a text and reads its first block. Of several statements the last
// one gives the rows.
func (c *conn) query(ctx context.Context, st sdk.Statement, permit func(usage) error) (*rows, error) {
	if cs := c.cache.get(st.SQL); cs != nil {
		return c.queryOne(ctx, st.SQL, st, permit) // a text seen before is one statement
	}
	parts := split(st.SQL)
	if len(parts) == 0 {
		return &rows{first: sdk.Block{Last: true}}, nil
	}
	for _, part := range parts[:len(parts)-1] {
		st := sdk.Statement{SQL: part, Args: st.Args}
		if _, err := c.single(ctx, part, st, permit); err != nil {
			return nil, err
		}
	}
	return c.queryOne(ctx, parts[len(parts)-1], st, permit)
}

func (c *conn) queryOne(ctx context.Context, part string, st sdk.Statement, permit func(usage) error) (*rows, error) {
	cs, err := c.compile(ctx, part)
	if err != nil {
		return nil, err
	}
	if err := permit(cs.uses); err != nil {
		c.release(cs)
		return nil, err
	}
	dr, err := cs.stmt.QueryContext(ctx, st.Args)
	if err != nil {
		c.release(cs)
		return nil, err
	}
	r := &rows{columns: columnsOf(dr)}
	if r.first, err = readBlock(ctx, dr, len(r.columns)); err != nil {
		_ = dr.Close() // it repeats the error
		c.release(cs)
		return nil, err
	}
	if r.first.Last {
		err = dr.Close()
		c.release(cs)
		return r, err
	}
	r.raw, r.conn, r.cs = dr, c, cs
	return r, nil
}

func columnsOf(dr driver.Rows) []sdk.Column {
	names := dr.Columns()
	columns := make([]sdk.Column, len(names))
	types, _ := dr.(driver.RowsColumnTypeDatabaseTypeName)
	for i, name := range names {
		columns[i].Name = name
		if types != nil {
			columns[i].DeclType = types.ColumnTypeDatabaseTypeName(i)
		}
	}
	return columns
}

// blockBytes is the size at which a block is full.
const blockBytes = 64 << 10

// readBlock reads the next rows of dr. The driver copies what it gives, so the
// values are the block's. The driver watches the query's context only until the
// first row, so it is looked at here before each of the others; a step that
// itself takes long is not cut off, since the driver shows no way to.
func readBlock(ctx context.Context, dr driver.Rows, columns int) (sdk.Block, error) {
	var b sdk.Block
	var slab []driver.Value // room for the next rows, so that not each is an allocation
	for size, grow := 0, 2; size < blockBytes; {
		if len(slab) < columns {
			slab = make([]driver.Value, columns*grow)
			grow = min(4*grow, 256)
		}
		row := slab[:columns:columns]
		slab = slab[columns:]
		if err := ctx.Err(); err != nil {
			return sdk.Block{}, err
		}
		switch err := dr.Next(row); {
		case err == io.EOF:
			b.Last = true
			return b, nil
		case err != nil:
			return sdk.Block{}, err
		}
		b.Rows = append(b.Rows, row)
		size += 16
		for _, v := range row {
			size += valueSize(v)
		}
	}
	return b, nil
}

func valueSize(v driver.Value) int {
	switch x := v.(type) {
	case string:
		return 16 + len(x)
	case []byte:
		return 24 + len(x)
	}
	return 16
}
