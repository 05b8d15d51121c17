package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"slices"
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

	rest *rest // nil: first is all

	// Room for a single row, as a point read has, so that neither it nor its values
	// are an allocation of their own.
	room  [1][]driver.Value
	cells [4]driver.Value
}

// rest is what rows hold that have more than their first block.
type rest struct {
	raw   driver.Rows
	conn  *conn
	cs    *compiled
	owner owner
	back  func() // gives conn back; may be nil
}

// callContext is the context of a Query while it runs, and of nothing afterwards:
// the driver keeps it in its rows, and they outlive the call.
type callContext struct {
	context.Context
	over atomic.Bool
}

// end ends what of the call is kept. c may be nil.
func (c *callContext) end() {
	if c != nil {
		c.over.Store(true)
	}
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

// readFirst reads the first block. Most often it is a single row, whose end is
// found with a row of the statement's, used again each time.
func (r *rows) readFirst(ctx context.Context, dr driver.Rows, cs *compiled) (sdk.Block, error) {
	n := len(r.columns)
	if n > len(r.cells) {
		return readBlock(ctx, dr, n)
	}
	first := r.cells[:n:n]
	if err := dr.Next(first); err == io.EOF {
		return sdk.Block{Last: true}, nil
	} else if err != nil {
		return sdk.Block{}, err
	}
	r.room[0] = first
	if cs.pace == paceBrief { // no second row can follow
		return sdk.Block{Rows: r.room[:], Last: true}, nil
	}
	if err := ctx.Err(); err != nil {
		return sdk.Block{}, err
	}
	if len(cs.spare) != n {
		cs.spare = make([]driver.Value, n)
	}
	if err := dr.Next(cs.spare); err == io.EOF {
		return sdk.Block{Rows: r.room[:], Last: true}, nil
	} else if err != nil {
		return sdk.Block{}, err
	}
	second := slices.Clone(cs.spare)
	clear(cs.spare) // it must not keep a large value alive
	return readInto(ctx, dr, n, [][]driver.Value{first, second})
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
	case r.rest == nil:
		return sdk.Block{}, io.EOF
	}
	b, err := readBlock(ctx, r.rest.raw, len(r.columns))
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
	h := r.rest
	if h == nil {
		return
	}
	r.rest = nil
	_ = h.raw.Close()
	h.conn.release(h.cs)
	if h.owner != nil {
		h.owner.ended(r)
	}
	if h.back != nil {
		h.back()
	}
}

var _ sdk.Rows = (*rows)(nil)
