package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// call is a request of ours in flight. Whoever takes it out of the table owns its
// answer: the reader sends one, or the caller forgets it.
type call struct {
	at     uint64 // position in the outbox
	answer chan answer
}

// answer is what came back.
type answer struct {
	body   []byte // part of the reader's buffer
	object uint64 // made by the call; 0: none
	err    error  // of the other side, or *brokenError
}

var callPool = sync.Pool{New: func() any { return &call{answer: make(chan answer, 1)} }}

// brokenError says that the conn ended before a call was answered.
type brokenError struct {
	sent bool // the request left, or may have
	why  error
}

func (e *brokenError) Error() string { return e.why.Error() }

// silentError says that a call's context ended and the other side did not answer
// within the grace. The request was sent.
type silentError struct{ cause error }

func (e *silentError) Error() string { return e.cause.Error() }

// callTable holds our calls in flight.
type callTable struct {
	mu        sync.Mutex
	last      uint64
	open      map[uint64]*call
	forgotten map[uint64]struct{} // given up, not answered yet
	ended     error
}

// add registers a call and returns its id and how many are in flight.
func (t *callTable) add(c *call) (id uint64, inFlight int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return 0, 0, t.ended
	}
	t.last++
	t.open[t.last] = c
	return t.last, len(t.open), nil
}

// take removes a call. If there is none, late says whether its caller gave up.
func (t *callTable) take(id uint64) (c *call, late bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c = t.open[id]; c != nil {
		delete(t.open, id)
		return c, false
	}
	_, late = t.forgotten[id]
	delete(t.forgotten, id)
	return nil, late
}

// wants reports whether a call is in flight: parts of another answer are dropped.
func (t *callTable) wants(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[id] != nil
}

// forget gives a call up; false if it is being answered.
func (t *callTable) forget(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[id] == nil {
		return false
	}
	delete(t.open, id)
	if t.forgotten == nil {
		t.forgotten = map[uint64]struct{}{}
	}
	t.forgotten[id] = struct{}{}
	return true
}

// fail ends every call.
func (t *callTable) fail(c *conn, why error) {
	t.mu.Lock()
	t.ended = why
	open := t.open
	t.open = nil
	t.mu.Unlock()
	for _, call := range open {
		call.answer <- answer{err: &brokenError{sent: !c.out.neverLeft(call.at), why: why}}
	}
}

// invoke makes a call and waits for its answer. The argument is encoded straight
// into the outbox. The deadline of ctx travels along; when ctx ends the other side
// is told, and what it then answers counts, if it does so within answerGrace or the
// method is one that is not interrupted. A call whose ctx has ended already is sent all the same: whether that matters is
// for the method to say.
//
// The error is the other side's, *brokenError, *silentError, or [sdk.ErrInvalid]
// for an argument that is too long.
func invoke[A any](ctx context.Context, c *conn, o op, object, epoch uint64, arg A, app func([]byte, A) []byte) (answer, error) {
	f := frame{kind: kindRequest, op: o, object: object, epoch: epoch}
	if at, ok := ctx.Deadline(); ok {
		f.timeout = max(time.Until(at), 1)
	}
	over := ctx.Err()
	f.abandoned = errors.Is(over, context.Canceled)
	if err := c.out.begin(ctx, over != nil); err != nil {
		if ctx.Err() != nil && c.alive() {
			return answer{}, ctx.Err()
		}
		return answer{}, &brokenError{why: c.reason()}
	}
	call := callPool.Get().(*call)
	call.at = c.out.nextLocked()
	id, inFlight, err := c.calls.add(call)
	if err != nil {
		c.out.mu.Unlock()
		callPool.Put(call)
		return answer{}, &brokenError{why: err}
	}
	f.id = id
	start := len(c.out.pending)
	b := openFrame(c.out.pending, &f)
	body := len(b)
	b = app(b, arg)
	size := len(b) - body
	var ok bool
	if c.out.pending, ok = sealFrame(b, start, body, &f); !ok {
		if mine, _ := c.calls.take(id); mine != nil {
			callPool.Put(call) // else the end of the conn answers it
		}
		c.out.commit(false)
		return answer{}, fmt.Errorf("%w: the argument of %s has %d bytes, a call carries %d; make it smaller or split it",
			sdk.ErrInvalid, o, size, maxBody)
	}
	c.out.commit(inFlight > crowded)
	if inFlight == 1 && c.lead.take() {
		if a, ok := c.readOwn(id, call); ok {
			callPool.Put(call)
			return a, a.err
		}
	}
	return c.await(ctx, id, call, o)
}

// await waits for a call's answer.
func (c *conn) await(ctx context.Context, id uint64, call *call, o op) (answer, error) {
	select {
	case a := <-call.answer:
		callPool.Put(call)
		return a, a.err
	case <-ctx.Done():
	}
	c.post(&frame{kind: kindCancel, id: id, abandoned: errors.Is(ctx.Err(), context.Canceled)}, nil)
	if !o.uninterrupted() {
		grace := time.NewTimer(answerGrace)
		defer grace.Stop()
		select {
		case a := <-call.answer:
			callPool.Put(call)
			return a, a.err
		case <-grace.C:
		}
		if c.calls.forget(id) {
			callPool.Put(call)
			return answer{}, &silentError{ctx.Err()}
		}
	}
	a := <-call.answer
	callPool.Put(call)
	return a, a.err
}

// alive reports whether the conn has not ended.
func (c *conn) alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// reason returns why the conn ended. It waits for the end: call it only when that
// has come or is under way.
func (c *conn) reason() error {
	<-c.done
	return c.why
}

// appendRaw is for arguments that are bytes already, or none.
func appendRaw(b []byte, v []byte) []byte { return append(b, v...) }

// forgottenCalls returns how many calls were given up and are not answered yet.
func (t *callTable) forgottenCalls() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.forgotten)
}
