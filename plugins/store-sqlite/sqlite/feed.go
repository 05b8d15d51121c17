package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// pageChanges is how many changes Next returns at most, unless one request made
// more.
const pageChanges = 512

const sqlChanges = `SELECT pos, request, epoch, tbl, op, rid, norowid FROM ramet_changes WHERE pos > ? ORDER BY pos LIMIT ?`

// Changes implements sdk.DB.
func (d *db) Changes(ctx context.Context, from sdk.Position) (sdk.Feed, error) {
	if err := d.gate.enter(); err != nil {
		return nil, err
	}
	defer d.gate.leave()
	if from.IsZero() {
		var m meta
		if err := d.read(ctx, func(c *conn) (err error) { m, err = c.readLog(); return err }); err != nil {
			return nil, err
		}
		from = sdk.Position{Lineage: m.lineage, Row: m.trimmed}
	}
	return &feed{d: d, at: from}, nil
}

// feed implements sdk.Feed. It holds a connection only during Next.
type feed struct {
	d *db

	mu     sync.Mutex
	at     sdk.Position // everything up to here was given
	closed bool
}

// Next implements sdk.Feed.
func (f *feed) Next(ctx context.Context) ([]sdk.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("%w: this feed was closed", sdk.ErrClosed)
	}
	if err := f.d.gate.enter(); err != nil {
		return nil, err
	}
	defer f.d.gate.leave()
	var page []sdk.Change
	err := f.d.read(ctx, func(c *conn) (err error) {
		page, err = c.page(f.at)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(page) == 0 {
		return nil, io.EOF
	}
	f.at = page[len(page)-1].Position
	return page, nil
}

// page reads the changes after a position, or a gap if some of them are gone.
func (c *conn) page(after sdk.Position) ([]sdk.Change, error) {
	m, err := c.readLog()
	if err != nil {
		return nil, err
	}
	gap := func(row uint64) []sdk.Change {
		return []sdk.Change{{Op: sdk.OpGap, Epoch: m.epoch, Position: sdk.Position{Lineage: m.lineage, Row: row}}}
	}
	switch {
	case after.Lineage != m.lineage || after.Row < m.trimmed:
		return gap(m.trimmed), nil
	case after.Row > m.newest:
		return gap(m.newest), nil // the database went back in time
	case after.Row == m.newest:
		return nil, nil
	}
	page, requests, err := c.changes(m.lineage, after.Row, pageChanges+1)
	if err != nil || len(page) <= pageChanges {
		return page, err
	}
	cut := len(page) - 1
	for cut > 0 && requests[cut-1] == requests[len(page)-1] {
		cut--
	}
	if cut > 0 {
		return page[:cut], nil
	}
	return page[:pageChanges], nil // one request larger than a page
}

// changes reads rows of the log, and the request each belongs to.
func (c *conn) changes(lineage string, after uint64, limit int) ([]sdk.Change, []int64, error) {
	var page []sdk.Change
	var requests []int64
	v := make([]driver.Value, 7)
	err := c.each(v, sqlChanges, []driver.Value{int64(after), int64(limit)}, func() bool {
		page = append(page, sdk.Change{
			Position: sdk.Position{Lineage: lineage, Row: uint64(toInt(v[0]))},
			Epoch:    uint64(toInt(v[2])),
			Table:    toText(v[3]),
			Op:       changeOp(toInt(v[4])),
			RowID:    toInt(v[5]),
			NoRowID:  toInt(v[6]) != 0,
		})
		requests = append(requests, toInt(v[1]))
		return true
	})
	return page, requests, err
}

// Close implements sdk.Feed.
func (f *feed) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return nil
}

var _ sdk.Feed = (*feed)(nil)
