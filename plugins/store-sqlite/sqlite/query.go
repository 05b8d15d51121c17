package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

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
	r, err := d.query(ctx, c, q)
	if isBusy(err) {
		err = retry(ctx, func() (err error) { r, err = d.query(ctx, c, q); return err })
	}
	if err != nil {
		d.readers.put(c, isFatal(err))
		return nil, sqlError(err)
	}
	if r.rest == nil { // all of it was read
		d.readers.put(c, false)
		return r, nil
	}
	r.rest.owner, r.rest.back = d, func() {
		if q.Level != sdk.ReadLocal {
			_ = c.endRead() // the pool closes the connection then
		}
		d.readers.put(c, false)
	}
	d.opened(r)
	return r, nil
}

// query runs q on c. The rows still need c if r.rest is not nil.
func (d *db) query(ctx context.Context, c *conn, q sdk.Query) (*rows, error) {
	if q.Level == sdk.ReadLocal {
		return c.query(ctx, q.Statement, permitRead)
	}
	if err := c.exec("BEGIN"); err != nil {
		return nil, err
	}
	r, err := d.queryFenced(ctx, c, q)
	if err != nil || r.rest == nil {
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
	if cs := c.take(st.SQL); cs != nil { // a text seen before is one statement
		return c.open(ctx, cs, st, permit)
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
	cs, err := c.compile(ctx, parts[len(parts)-1])
	if err != nil {
		return nil, err
	}
	return c.open(ctx, cs, st, permit)
}

// open runs a statement up to the end of its first block and gives it back if
// that is all.
func (c *conn) open(ctx context.Context, cs *compiled, st sdk.Statement, permit func(usage) error) (*rows, error) {
	if err := permit(cs.uses); err != nil {
		c.release(cs)
		return nil, err
	}
	dr, call, err := c.start(ctx, cs, st.Args)
	if err != nil {
		c.release(cs)
		return nil, err
	}
	r := &rows{columns: cs.describe(dr)}
	if r.first, err = r.readFirst(ctx, dr, cs); err != nil {
		_ = dr.Close() // it repeats the error
		c.release(cs)
		return nil, err
	}
	if r.first.Last {
		err = dr.Close()
		c.release(cs)
		return r, err
	}
	call.end()
	r.rest = &rest{raw: dr, conn: c, cs: cs}
	return r, nil
}

// describe returns the columns of dr, which cs gave. Those of the last time are
// given out again if they are still right: they change with the schema, which is
// not known here, and comparing costs less than an allocation. So nobody may
// change them.
func (cs *compiled) describe(dr driver.Rows) []sdk.Column {
	names := dr.Columns()
	types, _ := dr.(driver.RowsColumnTypeDatabaseTypeName)
	same := types != nil && len(names) == len(cs.columns)
	for i := 0; same && i < len(names); i++ {
		last := &cs.columns[i]
		same = last.Name == names[i] && last.DeclType == types.ColumnTypeDatabaseTypeName(i)
	}
	if !same {
		cs.columns = columnsOf(dr)
	}
	return cs.columns
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
