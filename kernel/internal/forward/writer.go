package forward

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

// The defaults of WriterOptions.
const (
	DefaultTxIdle   = 5 * time.Second
	DefaultTxTotal  = 30 * time.Second
	DefaultMaxGroup = 256
)

// grace is how long a caller whose ctx ended waits for a commit that has begun:
// a definite answer is worth more than a punctual "unknown".
const grace = 500 * time.Millisecond

// WriterOptions are the limits of a [Writer] and whom it tells. The zero value
// is usable.
type WriterOptions struct {
	TxIdle    time.Duration      // longest pause of a transaction that asks for none; 0: DefaultTxIdle
	TxTotal   time.Duration      // longest life of a transaction that asks for none; 0: DefaultTxTotal
	MaxGroup  int                // most requests in one Apply; 0: DefaultMaxGroup
	Committed func(sdk.Position) // called in commit order after each commit that logged a change; must not block; may be nil
	Fatal     func(error)        // called once, when this writer can write no more; must not block nor call Close; may be nil
	Log       hclog.Logger       // nil: log nothing
}

func (o WriterOptions) withDefaults() WriterOptions {
	if o.TxIdle <= 0 {
		o.TxIdle = DefaultTxIdle
	}
	if o.TxTotal <= 0 {
		o.TxTotal = DefaultTxTotal
	}
	if o.MaxGroup <= 0 {
		o.MaxGroup = DefaultMaxGroup
	}
	if o.Committed == nil {
		o.Committed = func(sdk.Position) {}
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	return o
}

// Writer is the primary's one queue of writers over a store that was opened for
// writing at a won epoch. Safe for concurrent use. Close it before the store.
type Writer struct {
	db      sdk.DB
	epoch   uint64
	lineage string
	o       WriterOptions

	queue    *queue
	verdicts *verdicts // used by who is inside the store
	served   *served

	ctx       context.Context // ends when the writer stops
	cancel    context.CancelFunc
	ended     chan struct{} // closed when the goroutine is gone
	fatalOnce sync.Once
}

// NewWriter starts the queue. From now until Close ended, nobody else may call
// Apply, Outcome, SetSchema or a writing Begin of db.
func NewWriter(db sdk.DB, epoch uint64, lineage string, o WriterOptions) *Writer {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Writer{
		db: db, epoch: epoch, lineage: lineage, o: o.withDefaults(),
		queue: newQueue(), verdicts: newVerdicts(), served: newServed(),
		ctx: ctx, cancel: cancel, ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// Epoch returns the epoch at which it writes.
func (w *Writer) Epoch() uint64 { return w.epoch }

// Apply commits r when its turn comes and returns its result. A statement's error
// is in Result.Err. The error is [sdk.ErrUnavailable] if ctx ended while r waited,
// [sdk.ErrNotPrimary] after Close, [sdk.ErrFenced] if a newer primary exists
// (all three: not applied), or *[sdk.OutcomeUnknownError] if COMMIT failed, or if
// ctx ended during a commit that then took more than half a second longer.
//
// A caller that finds the queue idle commits by itself. Its deadline then bounds
// the waiting for the database, but a cancellation is seen only every quarter of
// a second, and a commit that has begun is waited for however long it takes.
func (w *Writer) Apply(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	it := newItem(ctx, kindApply)
	it.req = r
	a := w.call(it)
	return a.result, a.err
}

// Outcome says what became of write id, as [sdk.DB.Outcome] does. It waits its
// turn, so every request and transaction that was queued before it is decided. A
// write that it declared not applied is refused if it arrives later.
func (w *Writer) Outcome(ctx context.Context, id sdk.WriteID) (sdk.Result, error) {
	res, applied, err := w.outcome(ctx, id)
	if err == nil && !applied {
		err = notApplied(id)
	}
	return res, err
}

// outcome keeps "was not applied" apart from "could not be asked", which share
// ErrUnavailable in Outcome. An applied write whose result is gone gives applied
// and ErrResultGone.
func (w *Writer) outcome(ctx context.Context, id sdk.WriteID) (sdk.Result, bool, error) {
	it := newItem(ctx, kindOutcome)
	it.req.ID = id
	a := w.call(it)
	return a.result, a.applied, a.err
}

// Begin starts an interactive transaction when its turn comes. It holds the
// writer until Commit, Rollback or a limit: o's, or the writer's defaults where o
// says 0. ctx bounds the waiting only. After a limit every call returns
// [sdk.ErrTxLost] with the limit's name. The transaction is not tied to ctx.
func (w *Writer) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	t, err := w.begin(ctx, o)
	if err != nil {
		return nil, err // not t: a nil *heldTx in the interface would not be nil
	}
	return t, nil
}

func (w *Writer) begin(ctx context.Context, o sdk.TxOptions) (*heldTx, error) {
	if o.ReadOnly {
		return nil, fmt.Errorf("%w: a read-only transaction has no place in the queue of writers; begin it on the local handle", sdk.ErrInvalid)
	}
	it := newItem(ctx, kindBegin)
	it.opts = o
	a := w.call(it)
	return a.tx, a.err
}

// call queues it and waits: without bound while it may still be withdrawn, and
// for the grace after ctx ended once it was begun.
func (w *Writer) call(it *item) answer {
	if err := it.ctx.Err(); err != nil {
		return answer{err: waited(err)}
	}
	if it.kind == kindApply && w.queue.lead(it) {
		w.applyTurn([]*item{it})
		w.queue.leave()
		return <-it.done
	}
	if err := w.queue.push(it); err != nil {
		return answer{err: err}
	}
	select {
	case a := <-it.done:
		return a
	case <-it.ctx.Done():
	}
	if w.queue.withdraw(it) {
		return answer{err: waited(it.ctx.Err())}
	}
	return w.await(it)
}

// await is the end of call for a caller whose ctx ended too late to withdraw.
func (w *Writer) await(it *item) answer {
	if it.kind == kindBegin {
		// Begin of the store was given the same ctx, so it ends by itself. Nobody will
		// use the transaction.
		a := <-it.done
		if a.tx != nil {
			a.tx.lose(fmt.Errorf("%w: the caller gave up while it began", sdk.ErrTxLost))
			a = answer{err: waited(it.ctx.Err())}
		}
		return a
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case a := <-it.done:
		return a
	case <-timer.C:
		return answer{err: &sdk.OutcomeUnknownError{ID: it.req.ID, Cause: fmt.Errorf("gave up while it was being committed: %w", it.ctx.Err())}}
	}
}

// waited is the error of a call that never got its turn.
func waited(cause error) error {
	return fmt.Errorf("%w: gave up while waiting for the primary's queue of writers; try again with more time: %w",
		sdk.ErrUnavailable, cause)
}

func notApplied(id sdk.WriteID) error {
	return fmt.Errorf("%w: write %s/%d was not applied and will not be; write again under a new id",
		sdk.ErrUnavailable, id.Incarnation, id.Sequence)
}

func (w *Writer) stepped() error {
	return fmt.Errorf("%w: this instance stopped writing at epoch %d, nothing was applied; ask the next primary",
		sdk.ErrNotPrimary, w.epoch)
}

// Close refuses new calls and all that wait with [sdk.ErrNotPrimary] (not
// applied), lets a commit that has begun finish, rolls back an open transaction
// and waits. Idempotent. [sdk.ErrUnclean] if ctx ends first: the store must be taken
// to be in use then.
func (w *Writer) Close(ctx context.Context) error {
	w.stop()
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: the writer of epoch %d is still inside the store: %w", sdk.ErrUnclean, w.epoch, ctx.Err())
	}
}

// stop makes the goroutine end; it does not wait.
func (w *Writer) stop() {
	w.queue.close(w.stepped())
	w.cancel()
}

// fail stops the writer for good and tells the kernel once.
func (w *Writer) fail(err error) {
	w.fatalOnce.Do(func() {
		w.stop()
		w.o.Fatal(err)
	})
}

// run executes what waits, until the queue is closed and nobody is inside the
// store.
func (w *Writer) run() {
	defer close(w.ended)
	for {
		turn := w.queue.take(w.o.MaxGroup)
		if len(turn) == 0 {
			if w.queue.over() {
				return
			}
			<-w.queue.wake
			continue
		}
		switch turn[0].kind {
		case kindApply:
			w.applyTurn(turn)
		case kindOutcome:
			turn[0].done <- w.lookUp(turn[0])
		case kindBegin:
			w.holdTurn(turn[0])
		}
		w.queue.leave()
	}
}
