package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// errNoResponder marks that an instance is known to have handled the method but
// left before it took the call.
var errNoResponder = fmt.Errorf("%w: no responder: its instance left before it took the call", sdk.ErrUnavailable)

// settle is how long a new primary waits for the handlers of the instances that
// are still on their way to it, before it calls a method unknown. It only delays
// calls of methods that nobody handles, and a loaded machine needs as long to link
// everybody.
const settle = time.Second

const (
	pending  = 1024 // calls queued for one instance
	parallel = 256  // calls that one instance has taken and not answered
)

// job is one call on its way to a responder, or, with cancel, word that the caller
// of one it took gave up.
type job struct {
	id     uint64
	method string
	body   []byte
	budget time.Duration // what is left of the caller's deadline
	cancel bool
}

type answer struct {
	body []byte
	err  error
}

// call is a job the primary waits for.
type call struct {
	job
	deadline time.Time
	by       *responder
	done     chan answer // holds one
}

// responder is an instance that handles methods.
type responder struct {
	methods map[string]bool
	queue   []*call
	taken   map[uint64]*call
	cancels []uint64      // taken ones whose caller gave up
	wake    chan struct{} // holds one
}

// exchange matches calls to the instances that handle them. It works on the
// primary only.
type exchange struct {
	mu      sync.Mutex // guards what follows
	peers   map[string]*responder
	order   []string // sessions, so that calls go round
	turn    int
	next_   uint64
	since   time.Time
	changed chan struct{} // closed and replaced when methods are registered
	shutdn  chan struct{} // closed by shut
}

func newExchange() *exchange {
	x := &exchange{shutdn: make(chan struct{})}
	close(x.shutdn)
	return x
}

func (x *exchange) open() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.peers, x.order, x.since = map[string]*responder{}, nil, time.Now()
	x.changed, x.shutdn = make(chan struct{}), make(chan struct{})
}

func (x *exchange) shut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.shutdn:
	default:
		close(x.shutdn)
	}
	x.peers, x.order = nil, nil
}

func (x *exchange) register(session string, methods []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.peers == nil {
		return
	}
	r := x.peers[session]
	if r == nil {
		r = &responder{taken: map[uint64]*call{}, wake: make(chan struct{}, 1)}
		x.peers[session] = r
		x.order = append(x.order, session)
	}
	r.methods = map[string]bool{}
	for _, m := range methods {
		r.methods[m] = true
	}
	close(x.changed)
	x.changed = make(chan struct{})
}

// pick queues a call with the next instance that handles its method; nil if none
// does.
func (x *exchange) pick(j job, deadline time.Time) (c *call, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for n := range x.order {
		r := x.peers[x.order[(x.turn+n)%len(x.order)]]
		if !r.methods[j.method] {
			continue
		}
		x.turn = (x.turn + n + 1) % len(x.order)
		if len(r.queue) >= pending {
			return nil, fmt.Errorf("%w: %s: %d calls wait for its instance; slow down", sdk.ErrUnavailable, j.method, pending)
		}
		x.next_++
		j.id = x.next_
		c = &call{job: j, deadline: deadline, by: r, done: make(chan answer, 1)}
		r.queue = append(r.queue, c)
		poke(r.wake)
		return c, nil
	}
	return nil, nil
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// ask sends j to an instance and waits for the answer. ctx has a deadline.
func (x *exchange) ask(ctx context.Context, j job) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	for {
		x.mu.Lock()
		changed, shut, wait := x.changed, x.shutdn, settle-time.Since(x.since)
		x.mu.Unlock()
		c, err := x.pick(j, deadline)
		if err != nil {
			return nil, err
		}
		if c != nil {
			return x.wait(ctx, c, shut)
		}
		if wait <= 0 {
			return nil, fmt.Errorf("%w: unknown method %q: no instance handles it", sdk.ErrUnsupported, j.method)
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-shut:
			timer.Stop()
			return nil, &sdk.NotPrimaryError{}
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %s: %w", sdk.ErrUnavailable, j.method, ctx.Err())
		}
		timer.Stop()
	}
}

func (x *exchange) wait(ctx context.Context, c *call, shut <-chan struct{}) ([]byte, error) {
	select {
	case a := <-c.done:
		return a.body, a.err
	case <-ctx.Done():
		x.giveUp(c)
		return nil, &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%s: %w", c.method, ctx.Err())}
	case <-shut:
		return nil, &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%s: the primary ended its service", c.method)}
	}
}

// giveUp takes back a call that its instance has not taken, and else tells it that
// nobody waits any more.
func (x *exchange) giveUp(c *call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := c.by
	if at := slices.Index(r.queue, c); at >= 0 {
		r.queue = slices.Delete(r.queue, at, at+1)
	} else if r.taken[c.id] == c {
		r.cancels = append(r.cancels, c.id)
		poke(r.wake)
	}
}

// next hands the oldest waiting call to its instance, unless that has too many.
func (x *exchange) next(ctx context.Context, session string) (job, error) {
	for {
		x.mu.Lock()
		r := x.peers[session]
		if r == nil {
			x.mu.Unlock()
			return job{}, fmt.Errorf("%w: register methods before asking for calls", sdk.ErrInvalid)
		}
		shut := x.shutdn
		j, ok := r.take()
		x.mu.Unlock()
		if ok {
			return j, nil
		}
		select {
		case <-r.wake:
		case <-shut:
			return job{}, &sdk.NotPrimaryError{}
		case <-ctx.Done():
			return job{}, ctx.Err()
		}
	}
}

// take is what the instance is to do next. mu is held.
func (r *responder) take() (job, bool) {
	if len(r.cancels) > 0 {
		id := r.cancels[0]
		r.cancels = r.cancels[1:]
		return job{id: id, cancel: true}, true
	}
	if len(r.queue) == 0 || len(r.taken) >= parallel {
		return job{}, false
	}
	c := r.queue[0]
	r.queue = slices.Delete(r.queue, 0, 1)
	r.taken[c.id] = c
	c.budget = max(time.Until(c.deadline), time.Millisecond) // it may have waited here
	return c.job, true
}

// reply takes an instance's answer.
func (x *exchange) reply(session string, body []byte) error {
	id, a, err := decodeAnswer(body)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.peers[session]; r != nil {
		if c := r.taken[id]; c != nil {
			delete(r.taken, id)
			c.done <- a
			poke(r.wake) // there may be room for another one
		}
	}
	return nil
}

func (x *exchange) ended(session string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.peers[session]
	if r == nil {
		return
	}
	delete(x.peers, session)
	for n, s := range x.order {
		if s == session {
			x.order = append(x.order[:n:n], x.order[n+1:]...)
			break
		}
	}
	for _, c := range r.queue {
		c.done <- answer{err: fmt.Errorf("%s: %w", c.method, errNoResponder)}
	}
	for _, c := range r.taken {
		c.done <- answer{err: &sdk.OutcomeUnknownError{
			Cause: fmt.Errorf("%s: its instance left before it answered", c.method)}}
	}
}

// asReply turns a handler's error into what may cross: the closed set and SQL
// errors as they are, anything else as a CallError.
func asReply(method string, err error) error {
	var sqlErr *sdk.SQLError
	var callErr *sdk.CallError
	if err == nil || sdk.CodeOf(err) != 0 || errors.As(err, &sqlErr) || errors.As(err, &callErr) {
		return err
	}
	return &sdk.CallError{Method: method, Text: err.Error()}
}

func appendAnswer(b []byte, id uint64, a answer) []byte {
	b = appendUint(b, 1, id)
	if a.err != nil {
		return appendBytes(b, 3, wire.AppendError(nil, a.err))
	}
	return appendBytes(b, 2, a.body)
}

func decodeAnswer(b []byte) (id uint64, a answer, err error) {
	err = fields(b, func(n int, v uint64, p []byte) error {
		var bad error
		switch n {
		case 1:
			id = v
		case 2:
			a.body = p
		case 3:
			a.err, bad = wire.DecodeError(p)
		}
		return bad
	})
	return id, a, err
}
