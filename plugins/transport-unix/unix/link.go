package unix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// crowded is from how many calls in flight on a sender lets the others join its
// write.
const crowded = 8

var errGoodbye = fmt.Errorf("%w: the server said goodbye", sdk.ErrUnavailable)

// link is the client's side of a connection.
type link struct {
	*pipe
	r    *running
	peer sdk.Peer

	mu       sync.Mutex // guards all below
	last     uint64     // id of the last call or subscription
	calls    map[uint64]*call
	subs     map[uint64]*subscription
	complete bool // the goodbye promised that what was not answered was not begun
	ended    bool // nothing answers any more
}

var _ sdk.Link = (*link)(nil)

// call is a call in flight. Whoever takes it out of link.calls owns its answer:
// the reader sends one, or the caller forgets it.
type call struct {
	at     uint64 // position in the outbox
	answer chan answered
}

type answered struct {
	body []byte
	err  error
}

var callPool = sync.Pool{New: func() any { return &call{answer: make(chan answered, 1)} }}

func newLink(r *running, c *net.UnixConn, peer sdk.Peer) (*link, error) {
	p, err := newPipe(c, r.limits)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", sdk.ErrUnavailable, err)
	}
	l := &link{pipe: p, r: r, peer: peer, calls: map[uint64]*call{}, subs: map[uint64]*subscription{}}
	p.start(l.read)
	return l, nil
}

// Server implements [sdk.Link].
func (l *link) Server() sdk.Peer { return l.peer }

// Call implements [sdk.Link].
func (l *link) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	if err := checkMessage(m); err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		left := time.Until(at)
		if left <= 0 {
			return nil, fmt.Errorf("%w: the deadline had passed before the call: %w", sdk.ErrUnavailable, context.DeadlineExceeded)
		}
		if m.Timeout <= 0 || left < m.Timeout {
			m.Timeout = left
		}
	}
	return l.roundTrip(ctx, func(b []byte, id uint64) []byte { return appendCall(b, id, m) })
}

// roundTrip sends a frame with an id of its own and waits for the answer.
func (l *link) roundTrip(ctx context.Context, frame func(b []byte, id uint64) []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	}
	if err := l.out.begin(ctx, l.r.limits.outBytes); err != nil {
		return nil, notSent(err)
	}
	c := callPool.Get().(*call)
	c.at = l.out.nextLocked()
	id, inFlight, ok := l.enter(c)
	if !ok {
		l.out.mu.Unlock()
		callPool.Put(c)
		return nil, l.why
	}
	l.out.pending = frame(l.out.pending, id)
	l.out.commit(inFlight > crowded)

	select {
	case a := <-c.answer:
		callPool.Put(c)
		return a.body, a.err
	case <-ctx.Done():
		return l.giveUp(ctx, id, c)
	}
}

// notSent classifies an error of outbox.begin.
func notSent(err error) error {
	if sdk.CodeOf(err) != 0 {
		return err
	}
	return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
}

func (l *link) enter(c *call) (id uint64, inFlight int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, 0, false
	}
	l.last++
	l.calls[l.last] = c
	return l.last, len(l.calls), true
}

// take removes a call; nil if another did.
func (l *link) take(id uint64) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	delete(l.calls, id)
	return c
}

// giveUp ends a call whose context has ended.
func (l *link) giveUp(ctx context.Context, id uint64, c *call) ([]byte, error) {
	if l.take(id) == nil { // the answer won
		a := <-c.answer
		callPool.Put(c)
		return a.body, a.err
	}
	callPool.Put(c)
	l.post(kindCancel, id, nil)
	return nil, &sdk.OutcomeUnknownError{Cause: ctx.Err()}
}

// Publish implements [sdk.Link].
func (l *link) Publish(ctx context.Context, e sdk.Event) error {
	if err := checkEvent(e); err != nil {
		return err
	}
	if err := l.out.begin(ctx, l.r.limits.outBytes); err != nil {
		return notSent(err)
	}
	l.out.pending = appendEvent(l.out.pending, kindPublish, 0, 0, encodeEvent(e))
	l.out.commit(false)
	return nil
}

// Wait implements [sdk.Link].
func (l *link) Wait(ctx context.Context) error {
	select {
	case <-l.done:
	default:
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(l.why, errGoodbye) {
		return nil
	}
	return l.why
}

// Close implements [sdk.Link]. What was queued is sent first, within a bound.
func (l *link) Close(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, l.r.limits.goodbye)
	_ = l.out.drain(brief) // best effort: events promise no more
	cancel()
	l.cut(fmt.Errorf("%w: %w by this side", sdk.ErrUnavailable, sdk.ErrClosed))
	err := l.await(ctx)
	l.r.disown(l)
	return err
}

// read is the link's reader. It ends when the pipe is cut or the server goes.
func (l *link) read() {
	for {
		f, err := readFrame(l.in)
		if err == nil {
			err = l.receive(f)
		}
		if err != nil {
			l.cut(explain(err))
			l.end()
			return
		}
	}
}

func (l *link) receive(f frame) error {
	switch f.kind {
	case kindReply:
		l.answer(f.id, answered{body: f.payload})
	case kindFail:
		l.answer(f.id, answered{err: decodeError(f.payload)})
	case kindEvent:
		e, err := decodeEvent(f.payload)
		if err != nil {
			return err
		}
		if s := l.sub(f.id); s != nil {
			s.push(e, len(f.payload))
		}
	case kindLost:
		lost, err := decodeLost(f.payload)
		if err != nil {
			return err
		}
		if s := l.sub(f.id); s != nil {
			s.miss(lost)
		}
	case kindGoodbye:
		l.mu.Lock()
		l.complete = len(f.payload) == 1 && f.payload[0] == 1
		l.mu.Unlock()
		return errGoodbye
	default:
		return fmt.Errorf("%w: frame of unknown kind %d", sdk.ErrInvalid, f.kind)
	}
	return nil
}

func (l *link) sub(id uint64) *subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs[id]
}

func (l *link) answer(id uint64, a answered) {
	if c := l.take(id); c != nil {
		c.answer <- a
	}
}

// end fails what is in flight: as not executed if that is certain.
func (l *link) end() {
	l.mu.Lock()
	l.ended = true
	calls, subs := l.calls, l.subs
	l.calls, l.subs = map[uint64]*call{}, map[uint64]*subscription{}
	complete := l.complete
	l.mu.Unlock()
	for _, c := range calls {
		a := answered{err: l.why}
		if !complete && !l.out.neverLeft(c.at) {
			a.err = &sdk.OutcomeUnknownError{Cause: l.why}
		}
		c.answer <- a
	}
	for _, s := range subs {
		s.finish(l.why)
	}
}
