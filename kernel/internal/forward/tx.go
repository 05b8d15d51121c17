package forward

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// rollbackTime bounds a rollback that nobody waits for.
const rollbackTime = 5 * time.Second

// holdTurn begins a transaction and blocks, so holding the queue, until it ended.
func (w *Writer) holdTurn(it *item) {
	if err := it.ctx.Err(); err != nil {
		it.done <- answer{err: waited(err)}
		return
	}
	ctx, cancel := context.WithCancel(it.ctx)
	stopLink := context.AfterFunc(w.ctx, cancel)
	tx, err := w.db.Begin(ctx, w.epoch, it.opts)
	stopLink()
	cancel()
	if err != nil {
		it.done <- answer{err: w.beginError(it, err)}
		return
	}
	t := newHeldTx(w, tx, it.opts)
	it.done <- answer{tx: t}
	t.watch()
}

func (w *Writer) beginError(it *item, err error) error {
	switch {
	case w.ctx.Err() != nil:
		return w.stepped()
	case errors.Is(err, sdk.ErrFenced), errors.Is(err, sdk.ErrClosed), errors.Is(err, sdk.ErrCorrupt):
		w.fail(err)
	case it.ctx.Err() != nil && !errors.Is(err, sdk.ErrUnavailable):
		return waited(err)
	}
	return err
}

// heldTx is a transaction that holds the writer. Its owner is the writer's
// goroutine, in watch; the calls run in the caller's.
type heldTx struct {
	w           *Writer
	tx          sdk.Tx
	idle, total time.Duration
	began       time.Time

	call      sync.Mutex // held for the length of one call; guards rows and finished
	rows      map[*heldRows]struct{}
	done      bool // finish ran
	committed bool // nothing is left to roll back

	mu     sync.Mutex
	over   error              // why no call may run any more; nil: open
	cancel context.CancelFunc // of the running call; nil: none runs
	last   time.Time          // end of the last call

	ended chan struct{} // closed when the store's transaction is gone
}

func newHeldTx(w *Writer, tx sdk.Tx, o sdk.TxOptions) *heldTx {
	now := time.Now()
	t := &heldTx{
		w: w, tx: tx, idle: o.Idle, total: o.Total, began: now, last: now,
		rows: make(map[*heldRows]struct{}), ended: make(chan struct{}),
	}
	if t.idle <= 0 {
		t.idle = w.o.TxIdle
	}
	if t.total <= 0 {
		t.total = w.o.TxTotal
	}
	return t
}

// watch enforces the limits until the transaction ended.
func (t *heldTx) watch() {
	timer := time.NewTimer(min(t.idle, t.total))
	defer timer.Stop()
	for {
		select {
		case <-t.ended:
			return
		case <-t.w.ctx.Done():
			t.lose(fmt.Errorf("%w: the primary of epoch %d steps down", sdk.ErrTxLost, t.w.epoch))
			return
		case <-timer.C:
			again, limit := t.overdue(time.Now())
			if limit != nil {
				t.lose(limit)
				return
			}
			timer.Reset(again)
		}
	}
}

// overdue returns the limit that was reached, or when to look again.
func (t *heldTx) overdue(now time.Time) (time.Duration, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.total - now.Sub(t.began)
	if left <= 0 {
		return 0, fmt.Errorf("%w: it was open for longer than its total limit of %v, and all writers wait for it; make it shorter or raise TxOptions.Total", sdk.ErrTxLost, t.total)
	}
	if t.cancel != nil { // a running call is no pause
		return min(left, t.idle), nil
	}
	pause := t.idle - now.Sub(t.last)
	if pause <= 0 {
		return 0, fmt.Errorf("%w: no call came within its idle limit of %v, and all writers wait for it; work without pauses or raise TxOptions.Idle", sdk.ErrTxLost, t.idle)
	}
	return min(left, pause), nil
}

// lose ends the transaction for reason, also under a running call, and waits
// until the store has rolled it back.
func (t *heldTx) lose(reason error) {
	t.mu.Lock()
	if t.over == nil {
		t.over = reason
	}
	if t.cancel != nil {
		t.cancel()
	}
	t.mu.Unlock()
	t.call.Lock()
	defer t.call.Unlock()
	t.finish()
}

// finish makes sure that nothing is left in the store and lets the writer go on.
// t.call is held.
func (t *heldTx) finish() {
	if t.done {
		return
	}
	t.done = true
	defer close(t.ended)
	if t.committed {
		return
	}
	t.closeRows()
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	if err := t.tx.Rollback(ctx); err != nil {
		// The store may still hold its transaction: nothing can be written behind it.
		t.w.fail(fmt.Errorf("roll back a transaction: %w", err))
	}
}

func (t *heldTx) closeRows() {
	for r := range t.rows {
		r.rows.Close() // the transaction ends anyway
	}
	clear(t.rows)
}

// enter begins a call: it returns the ctx to use, which lose cancels, and leave,
// to be called at the end.
func (t *heldTx) enter(ctx context.Context) (context.Context, error) {
	t.call.Lock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over != nil {
		t.call.Unlock()
		return nil, t.over
	}
	ctx, t.cancel = context.WithCancel(ctx)
	return ctx, nil
}

// leave ends a call. An error by which the store ended the transaction ends it
// here too, so that the writer goes on at once.
func (t *heldTx) leave(err error) error {
	t.mu.Lock()
	t.cancel()
	t.cancel, t.last = nil, time.Now()
	if t.over == nil && errors.Is(err, sdk.ErrTxLost) {
		t.over = err
	}
	over := t.over
	t.mu.Unlock()
	if over != nil {
		t.finish()
		if err != nil {
			err = over // the limit, not the interruption that it caused
		}
	}
	t.call.Unlock()
	return err
}

// Exec implements [sdk.Tx].
func (t *heldTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	ctx, err := t.enter(ctx)
	if err != nil {
		return sdk.Result{}, err
	}
	res, err := t.tx.Exec(ctx, s)
	return res, t.leave(err)
}

// Query implements [sdk.Tx].
func (t *heldTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	ctx, err := t.enter(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.tx.Query(ctx, s)
	if err != nil {
		return nil, t.leave(err)
	}
	h := &heldRows{t: t, rows: rows, columns: rows.Columns()}
	t.rows[h] = struct{}{}
	return h, t.leave(nil)
}

// Commit implements [sdk.Tx]. ctx is looked at before COMMIT, never inside it.
func (t *heldTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	run, err := t.enter(ctx)
	if err != nil {
		return sdk.Result{}, err
	}
	defer t.call.Unlock()
	if err := run.Err(); err != nil {
		err = fmt.Errorf("%w: gave up before COMMIT: %w", sdk.ErrTxLost, err)
		t.settle(err)
		return sdk.Result{}, err
	}
	t.closeRows()
	res, err := t.tx.Commit(context.WithoutCancel(ctx), r)
	if isConstraint(err) {
		t.resume()
		return sdk.Result{}, err
	}
	if err != nil {
		err = t.commitError(r.ID, err)
		t.settle(fmt.Errorf("%w: its COMMIT failed: %w", sdk.ErrTxLost, err))
		return sdk.Result{}, err
	}
	t.committed = true
	if res.Position.Row > 0 {
		t.w.o.Committed(res.Position)
	}
	t.settle(fmt.Errorf("%w: the transaction was committed", sdk.ErrClosed))
	return res, nil
}

// isConstraint reports whether err of a COMMIT left the transaction open.
func isConstraint(err error) bool {
	var sql *sdk.SQLError
	return errors.As(err, &sql) && sdk.CodeOf(err) == 0
}

// resume ends a call that left the transaction open; t.call is held.
func (t *heldTx) resume() {
	t.mu.Lock()
	t.cancel()
	t.cancel, t.last = nil, time.Now()
	over := t.over
	t.mu.Unlock()
	if over != nil {
		t.finish()
	}
}

// settle ends the transaction with over as the answer to later calls; t.call is
// held.
func (t *heldTx) settle(over error) {
	t.mu.Lock()
	t.cancel()
	t.cancel, t.over = nil, over
	t.mu.Unlock()
	t.finish()
}

func (t *heldTx) commitError(id sdk.WriteID, err error) error {
	switch {
	case errors.Is(err, sdk.ErrOutcomeUnknown):
		t.w.fail(err)
		return unknown(id, err)
	case errors.Is(err, sdk.ErrFenced):
		t.w.fail(err)
		return fmt.Errorf("%w: %w", sdk.ErrTxLost, err)
	}
	return err
}

// Rollback implements [sdk.Tx]. It never fails: what the store could not roll
// back stops the writer.
func (t *heldTx) Rollback(context.Context) error {
	t.lose(fmt.Errorf("%w: the transaction was rolled back", sdk.ErrClosed))
	return nil
}

// heldRows are rows of a heldTx; they die with it.
type heldRows struct {
	t       *heldTx
	rows    sdk.Rows
	columns []sdk.Column
}

// Columns implements [sdk.Rows].
func (r *heldRows) Columns() []sdk.Column { return r.columns }

// Next implements [sdk.Rows].
func (r *heldRows) Next(ctx context.Context) (sdk.Block, error) {
	ctx, err := r.t.enter(ctx)
	if err != nil {
		return sdk.Block{}, err
	}
	b, err := r.rows.Next(ctx)
	return b, r.t.leave(err)
}

// Close implements [sdk.Rows].
func (r *heldRows) Close() error {
	r.t.call.Lock()
	defer r.t.call.Unlock()
	if _, open := r.t.rows[r]; !open {
		return nil
	}
	delete(r.t.rows, r)
	return r.rows.Close()
}
