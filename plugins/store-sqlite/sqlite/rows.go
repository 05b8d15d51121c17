package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ramet-io/ramet/sdk"
)

// owner keeps track of open rows: the handle, or a transaction.
type owner interface {
	opened(closer)
	ended(closer)
}

// rows implements sdk.Rows. Small results are read whole before it is returned,
// and then it holds nothing.
type rows struct {
	columns []sdk.Column

	mu     sync.Mutex // Close of the handle may meet Next
	first  sdk.Block
	given  bool
	closed bool
	failed error // what ended the rows early: repeated, so that nobody takes them for complete

	raw   driver.Rows // nil: first is all
	conn  *conn
	cs    *compiled
	owner owner
	back  func() // gives conn back; may be nil

	// Room for the first rows of the first block, as a point read has, so that
	// neither they nor their values are an allocation of their own.
	room  [2][]driver.Value
	cells [8]driver.Value
	call  callContext
}

// callContext is the context of a Query while it runs, and of nothing afterwards:
// the driver keeps it in its rows, and they outlive the call.
type callContext struct {
	context.Context
	over atomic.Bool
}

// Done implements context.Context.
func (c *callContext) Done() <-chan struct{} {
	if c.over.Load() {
		return nil
	}
	return c.Context.Done()
}

// Err implements context.Context.
func (c *callContext) Err() error {
	if c.over.Load() {
		return nil
	}
	return c.Context.Err()
}

// readFirst reads the first block.
func (r *rows) readFirst(ctx context.Context, dr driver.Rows) (sdk.Block, error) {
	cells := r.cells[:]
	if 2*len(r.columns) > len(cells) { // the end too is found with a row to read into
		cells = nil
	}
	return readInto(ctx, dr, len(r.columns), r.room[:0], cells)
}

// Columns implements sdk.Rows.
func (r *rows) Columns() []sdk.Column { return r.columns }

// Next implements sdk.Rows. ctx is looked at between rows.
func (r *rows) Next(ctx context.Context) (sdk.Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return sdk.Block{}, errClosed()
	case r.failed != nil:
		return sdk.Block{}, r.failed
	case !r.given:
		r.given = true
		b := r.first
		r.first = sdk.Block{}
		if len(b.Rows) == 0 && b.Last {
			return sdk.Block{}, io.EOF
		}
		return b, nil
	case r.raw == nil:
		return sdk.Block{}, io.EOF
	}
	b, err := readBlock(ctx, r.raw, len(r.columns))
	if err != nil {
		r.free()
		r.failed = sqlError(err)
		return sdk.Block{}, r.failed
	}
	if b.Last {
		r.free()
		if len(b.Rows) == 0 {
			return sdk.Block{}, io.EOF
		}
	}
	return b, nil
}

// Close implements sdk.Rows.
func (r *rows) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.free()
	return nil
}

func (r *rows) abandon() { _ = r.Close() }

// free gives back what the rows hold. Errors of Close repeat those of Next.
func (r *rows) free() {
	if r.raw == nil {
		return
	}
	_ = r.raw.Close()
	r.raw = nil
	r.conn.release(r.cs)
	if r.owner != nil {
		r.owner.ended(r)
	}
	if r.back != nil {
		r.back()
	}
}

var _ sdk.Rows = (*rows)(nil)
