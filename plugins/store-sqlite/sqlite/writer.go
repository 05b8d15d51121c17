package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// takeTurn makes the caller the one who uses the write connection.
func (d *db) takeTurn(ctx context.Context) error {
	if d.w == nil {
		return fmt.Errorf("%w: this handle was opened as secondary; write through the primary", sdk.ErrReadOnly)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	if err := d.gate.enter(); err != nil {
		return err
	}
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		d.gate.leave()
		return fmt.Errorf("%w: another write has its turn: %w", sdk.ErrUnavailable, ctx.Err())
	}
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if broken != nil {
		d.giveTurn()
		return fmt.Errorf("%w: a COMMIT failed before, so this handle writes no more (%v); open it again", sdk.ErrClosed, broken)
	}
	d.endRush()
	return nil
}

func (d *db) giveTurn() {
	<-d.turn
	d.gate.leave()
}

// unknown records that a COMMIT failed and nobody can say what it did.
func (d *db) unknown(id sdk.WriteID, cause error) error {
	d.mu.Lock()
	d.broken = cause
	d.mu.Unlock()
	d.w.rollback()
	return &sdk.OutcomeUnknownError{ID: id, Cause: sqlError(cause)}
}

// begin starts an immediate transaction. It waits for other programs' writes
// until ctx ends.
func (c *conn) begin(ctx context.Context) error {
	c.ended = false
	if err := retry(ctx, func() error { return c.exec("BEGIN IMMEDIATE") }); err != nil {
		if sdk.CodeOf(err) != 0 {
			return err
		}
		return unavailable("begin a transaction", err)
	}
	return nil
}

// rollback ends a transaction if there is one. An error would mean that the
// engine did it already.
func (c *conn) rollback() {
	if !c.ended {
		_ = c.exec("ROLLBACK")
	}
	c.capture.on, c.capture.rows = false, c.capture.rows[:0]
}

// outcome is what one statement did.
type outcome struct {
	affected, lastID int64
	counts           bool // it is INSERT, UPDATE or DELETE, so affected is its own
	columns          []sdk.Column
	rows             [][]driver.Value
}

const sqlCounters = `SELECT changes(), last_insert_rowid()`

// run executes a compiled statement that is not a read on a snapshot: writes
// never see the caller's context, which would roll the whole transaction back.
func (c *conn) run(ctx context.Context, cs *compiled, st sdk.Statement) (outcome, error) {
	c.inserted = inserted{table: cs.uses.into}
	if st.WantRows {
		return c.runRows(ctx, cs, st)
	}
	r, err := cs.stmt.ExecContext(ctx, st.Args)
	if err != nil || !cs.uses.modifies || r == nil {
		return outcome{}, err
	}
	// Without these conditions the numbers would be those of an earlier statement,
	// perhaps of another caller: the connection is shared.
	o := outcome{counts: true}
	if o.affected, err = r.RowsAffected(); err != nil || !cs.uses.inserts || o.affected == 0 {
		return o, err
	}
	last, err := r.LastInsertId()
	if err == nil {
		o.lastID, err = c.insertedID(last)
	}
	return o, err
}

func (c *conn) runRows(ctx context.Context, cs *compiled, st sdk.Statement) (outcome, error) {
	dr, err := cs.stmt.QueryContext(ctx, st.Args)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{columns: columnsOf(dr)}
	for {
		b, err := readBlock(ctx, dr, len(o.columns))
		if err != nil {
			_ = dr.Close() // it repeats the error
			return outcome{}, err
		}
		o.rows = append(o.rows, b.Rows...)
		if b.Last {
			break
		}
	}
	if err := dr.Close(); err != nil {
		return outcome{}, err
	}
	if cs.uses.modifies {
		var n [2]driver.Value
		if _, err := c.row(n[:], sqlCounters); err != nil {
			return outcome{}, err
		}
		o.counts = true
		if o.affected = toInt(n[0]); cs.uses.inserts && o.affected > 0 {
			o.lastID, err = c.insertedID(toInt(n[1]))
		}
	}
	return o, err
}

// script runs all statements of a text and returns what the last did, with the
// last rowid that any of them gave. permit
// says which of them may run here.
func (c *conn) script(ctx context.Context, st sdk.Statement, permit func(usage) error) (outcome, error) {
	if cs := c.cache.get(st.SQL); cs != nil && !cs.busy {
		return c.single(ctx, st.SQL, st, permit) // a text seen before is one statement
	}
	var o outcome
	for _, part := range split(st.SQL) {
		next, err := c.single(ctx, part, st, permit)
		if err != nil {
			return outcome{}, err
		}
		o = next.after(o)
	}
	return o, nil
}

// after returns o as what happened after before: the numbers stay until others
// take their place.
func (o outcome) after(before outcome) outcome {
	if o.lastID == 0 {
		o.lastID = before.lastID
	}
	if !o.counts {
		o.affected, o.counts = before.affected, before.counts
	}
	return o
}

func (c *conn) single(ctx context.Context, part string, st sdk.Statement, permit func(usage) error) (outcome, error) {
	cs, err := c.compile(context.Background(), part)
	if err != nil {
		return outcome{}, err
	}
	defer c.release(cs)
	if err := permit(cs.uses); err != nil {
		return outcome{}, err
	}
	o, err := c.run(ctx, cs, st)
	if cs.uses.deferFK && err == nil {
		c.deferFK = true
	}
	return o, err
}
