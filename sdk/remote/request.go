package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// request is a request of the other side while it runs. It is the context of what
// it calls: package context would need several allocations for each.
type request struct {
	frame
	conn     *conn
	deadline time.Time // zero: none
	answered bool      // belongs to the worker

	mu    sync.Mutex // guards what follows
	done  chan struct{}
	timer *time.Timer
	ended error
	after map[*func()]struct{}
}

var _ context.Context = (*request)(nil)

// Deadline implements context.Context.
func (r *request) Deadline() (time.Time, bool) { return r.deadline, !r.deadline.IsZero() }

// Value implements context.Context.
func (r *request) Value(any) any { return nil }

// Err implements context.Context.
func (r *request) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil && !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
		return context.DeadlineExceeded
	}
	return r.ended
}

// Done implements context.Context. The channel and the timer are made for who asks.
func (r *request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchLocked()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.ended != nil {
			close(r.done)
		}
	}
	return r.done
}

// AfterFunc is what package context looks for in a parent that is not its own, so
// that a derived context needs no goroutine.
func (r *request) AfterFunc(f func()) (stop func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		go f()
		return func() bool { return false }
	}
	r.watchLocked()
	if r.after == nil {
		r.after = map[*func()]struct{}{}
	}
	key := &f
	r.after[key] = struct{}{}
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, had := r.after[key]
		delete(r.after, key)
		return had
	}
}

// watchLocked starts the timer of the deadline.
func (r *request) watchLocked() {
	if r.timer == nil && r.ended == nil && !r.deadline.IsZero() {
		r.timer = time.AfterFunc(time.Until(r.deadline), func() { r.cancel(context.DeadlineExceeded) })
	}
}

// cancel ends the context; the first reason counts.
func (r *request) cancel(why error) {
	r.mu.Lock()
	if r.ended != nil {
		r.mu.Unlock()
		return
	}
	r.ended = why
	if r.done != nil {
		close(r.done)
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	after := r.after
	r.after = nil
	r.mu.Unlock()
	for f := range after {
		go (*f)() // as package context does
	}
}

// finish ends the request after its answer.
func (r *request) finish() {
	r.conn.reqs.remove(r.id)
	r.cancel(context.Canceled)
}

// answerWith answers with a result. object is what the call made; 0: nothing.
func answerWith[R any](r *request, object uint64, v R, app func([]byte, R) []byte) {
	if r.conn.out.begin(context.Background(), true) != nil {
		return
	}
	out := r.conn.out
	start := len(out.pending)
	f := frame{kind: kindReply, id: r.id, object: object}
	b := openFrame(out.pending, &f)
	body := len(b)
	b = app(b, v)
	size := len(b) - body
	var ok bool
	if out.pending, ok = sealFrame(b, start, body, &f); !ok {
		out.commit(false)
		r.answerError(fmt.Errorf("%w: the answer of %s has %d bytes, a call carries %d; ask for less at a time",
			sdk.ErrInvalid, r.op, size, maxBody))
		return
	}
	r.answered = true
	out.commit(r.conn.reqs.crowd())
}

// answerError answers with an error.
func (r *request) answerError(err error) {
	r.answered = true
	body := wire.AppendError(nil, err)
	if len(body) > maxFrame/2 {
		body = wire.AppendError(nil, fmt.Errorf("%w: an error whose text does not fit into a frame", sdk.ErrInternal))
	}
	r.conn.post(&frame{kind: kindError, id: r.id}, body)
}

// Why a request is not taken.
var (
	errTwice   = errors.New("twice")
	errTooMany = errors.New("too many")
)

// requestTable holds the other side's requests while they run.
type requestTable struct {
	mu      sync.Mutex
	running map[uint64]*request
}

// add registers a request and returns how many run with it.
func (t *requestTable) add(r *request) (running int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running[r.id] != nil {
		return 0, errTwice
	}
	if len(t.running) >= maxRunning {
		return 0, errTooMany
	}
	t.running[r.id] = r
	return len(t.running), nil
}

func (t *requestTable) remove(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, id)
}

// crowd reports whether other requests run too, so that their answers may share a
// write.
func (t *requestTable) crowd() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.running) > crowded
}

// cancel ends the context of the request that frame f names, for the reason that
// its caller's context ended.
func (t *requestTable) cancel(f *frame) {
	t.mu.Lock()
	r := t.running[f.id]
	t.mu.Unlock()
	switch {
	case r == nil: // it is being answered
	case f.abandoned:
		r.cancel(context.Canceled)
	default:
		r.cancel(context.DeadlineExceeded)
	}
}

func (t *requestTable) cancelAll() {
	t.mu.Lock()
	all := make([]*request, 0, len(t.running))
	for _, r := range t.running {
		all = append(all, r)
	}
	t.mu.Unlock()
	for _, r := range all {
		r.cancel(context.Canceled)
	}
}
