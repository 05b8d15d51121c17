package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// crowded is from how many calls in flight on a sender lets the others join its
// write.
const crowded = 8

var errGoodbye = fmt.Errorf("%w: the server said goodbye", sdk.ErrUnavailable)

// Link is the client's side of a connection. It implements [sdk.Link].
type Link struct {
	*pipe
	peer sdk.Peer

	mu       sync.Mutex // guards all below
	last     uint64     // id of the last call or subscription
	calls    map[uint64]*call
	subs     map[uint64]*subscription
	complete bool // the goodbye promised that what was not answered was not begun
	ended    bool // nothing answers any more
}

var _ sdk.Link = (*Link)(nil)

// call is a call in flight. Whoever takes it out of link.calls owns its answer:
// the reader sends one, or the caller forgets it.
type call struct {
	at     uint64 // position in the outbox
	fields []byte
	answer chan answered
}

type answered struct {
	body []byte
	err  error
}

var callPool = sync.Pool{New: func() any { return &call{answer: make(chan answered, 1)} }}

// newLink makes a link of a proved connection, whose other side is peer. The caller
// closes the link and, after an error only, c.
func newLink(h *Host, c Conn, codec Codec, peer sdk.Peer) (*Link, error) {
	p, err := newPipe(h, c, codec)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", sdk.ErrUnavailable, err)
	}
	l := &Link{pipe: p, peer: peer, calls: map[uint64]*call{}, subs: map[uint64]*subscription{}}
	p.start(l.read)
	if !h.own(l) {
		_ = l.Close(context.Background())
		return nil, h.ErrShut()
	}
	return l, nil
}

// Server implements [sdk.Link].
func (l *Link) Server() sdk.Peer { return l.peer }

// Call implements [sdk.Link].
func (l *Link) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
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
	c := newCall()
	c.fields = appendCall(c.fields, m)
	return l.roundTrip(ctx, c, KindCall, m.Body, nil)
}

func newCall() *call {
	c := callPool.Get().(*call)
	c.fields = c.fields[:0]
	return c
}

// roundTrip sends a frame with an id of its own and waits for the answer. entered, if
// not nil, is told the id before the frame is sent.
func (l *Link) roundTrip(ctx context.Context, c *call, kind byte, body []byte, entered func(id uint64)) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	}
	if err := l.out.begin(ctx, l.host.Limits.OutBytes); err != nil {
		return nil, notSent(err)
	}
	c.at = l.out.nextLocked()
	id, inFlight, ok := l.enter(c)
	if !ok {
		l.out.mu.Unlock()
		callPool.Put(c)
		return nil, l.why
	}
	if entered != nil {
		entered(id)
	}
	l.out.appendLocked(kind, id, c.fields, body)
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

func (l *Link) enter(c *call) (id uint64, inFlight int, ok bool) {
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
func (l *Link) take(id uint64) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	delete(l.calls, id)
	return c
}

// giveUp ends a call whose context has ended.
func (l *Link) giveUp(ctx context.Context, id uint64, c *call) ([]byte, error) {
	if l.take(id) == nil { // the answer won
		a := <-c.answer
		callPool.Put(c)
		return a.body, a.err
	}
	callPool.Put(c)
	l.post(KindCancel, id, nil)
	return nil, &sdk.OutcomeUnknownError{Cause: ctx.Err()}
}

// Publish implements [sdk.Link].
func (l *Link) Publish(ctx context.Context, e sdk.Event) error {
	if err := checkEvent(e); err != nil {
		return err
	}
	tail := encodeEvent(e)
	if err := l.out.begin(ctx, l.host.Limits.OutBytes); err != nil {
		return notSent(err)
	}
	l.out.fields = appendEvent(l.out.fields[:0], 0, e.Lost)
	l.out.appendLocked(KindPublish, 0, l.out.fields, tail)
	l.out.commit(false)
	return nil
}

// Wait implements [sdk.Link].
func (l *Link) Wait(ctx context.Context) error {
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
func (l *Link) Close(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, l.host.Limits.Goodbye)
	_ = l.out.drain(brief) // best effort: events promise no more
	cancel()
	l.cut(fmt.Errorf("%w: %w by this side", sdk.ErrUnavailable, sdk.ErrClosed))
	err := l.await(ctx)
	l.host.disown(l)
	return err
}

// read is the link's reader. It ends when the pipe is cut or the server goes.
func (l *Link) read() {
	for {
		f, err := l.codec.Read()
		if err == nil {
			err = l.receive(f)
		}
		if err != nil {
			if isForeign(err) {
				l.host.refused(err, "the server sent what is not our protocol; the link is cut", "instance", l.peer.Scope.Instance)
			}
			l.cut(explain(err))
			l.end()
			return
		}
	}
}

func (l *Link) receive(f Frame) error {
	switch f.Kind {
	case KindReply:
		l.answer(f.ID, answered{body: f.Payload})
	case KindFail:
		l.answer(f.ID, answered{err: decodeError(f.Payload)})
	case KindEvent:
		e, err := decodeEvent(f.Payload)
		if err != nil {
			return err
		}
		if s := l.sub(f.ID); s != nil {
			s.push(e, len(f.Payload))
		}
	case KindLost:
		lost, err := decodeLost(f.Payload)
		if err != nil {
			return err
		}
		if s := l.sub(f.ID); s != nil {
			s.miss(lost)
		}
	case KindGoodbye:
		l.mu.Lock()
		l.complete = len(f.Payload) == 1 && f.Payload[0] == 1
		l.mu.Unlock()
		return errGoodbye
	default:
		return fmt.Errorf("%w: frame of unknown kind %d", sdk.ErrInvalid, f.Kind)
	}
	return nil
}

func (l *Link) sub(id uint64) *subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs[id]
}

func (l *Link) answer(id uint64, a answered) {
	if c := l.take(id); c != nil {
		c.answer <- a
	}
}

// end fails what is in flight: as not executed if that is certain.
func (l *Link) end() {
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
