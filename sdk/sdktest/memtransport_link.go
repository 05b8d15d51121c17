package sdktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

var errMemGoodbye = fmt.Errorf("%w: the server said goodbye", sdk.ErrUnavailable)

// memLink is both ends of a connection without a wire.
type memLink struct {
	r      *memNode
	srv    *memServer
	peer   sdk.Peer // the client, as the server sees it
	server sdk.Peer
	ctx    context.Context // of the Handles; ends with the link
	cancel context.CancelFunc
	done   chan struct{} // closed when the link is gone
	over   chan struct{} // closed after Ended
	calls  sync.WaitGroup

	queue   chan sdk.Event // on their way to Published
	pumping sync.Once

	mu    sync.Mutex // guards all below
	ended bool       // no call is begun any more
	why   error      // set before done is closed
	subs  []*memSubscription
}

func newMemLink(r *memNode, srv *memServer, peer sdk.Peer) *memLink {
	l := &memLink{
		r: r, srv: srv, peer: peer, server: memPeer(peer.Session, srv.scope),
		queue: make(chan sdk.Event, memPublished), done: make(chan struct{}), over: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Server implements [sdk.Link].
func (l *memLink) Server() sdk.Peer { return l.server }

// begin counts a call in; an error if the link is gone.
func (l *memLink) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.why
	}
	l.calls.Add(1)
	return nil
}

type memAnswer struct {
	body []byte
	err  error
}

// Call implements [sdk.Link].
func (l *memLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	if err := memCheckMessage(m); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	}
	if at, ok := ctx.Deadline(); ok {
		if left := max(time.Until(at), 1); m.Timeout <= 0 || left < m.Timeout {
			m.Timeout = left
		}
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	m.Body = append([]byte(nil), m.Body...)
	hctx, cancel := memContext(l.ctx, m.Timeout)
	answer := make(chan memAnswer, 1)
	go func() { // counted in l.calls
		defer l.calls.Done()
		defer cancel()
		answer <- l.handle(hctx, m)
	}()
	select {
	case a := <-answer:
		return a.body, a.err
	case <-ctx.Done():
		cancel()
		return nil, &sdk.OutcomeUnknownError{Cause: ctx.Err()}
	case <-l.done:
	}
	select {
	case a := <-answer: // a goodbye comes after the answers
		return a.body, a.err
	default:
		return nil, &sdk.OutcomeUnknownError{Cause: l.why}
	}
}

func memContext(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// handle runs one Handle and gives its error the way that a real one takes.
func (l *memLink) handle(ctx context.Context, m sdk.Message) memAnswer {
	body, err := l.srv.handler.Handle(ctx, l.peer, m)
	if err == nil {
		err = memCheckBody("answer", body)
	}
	if err == nil {
		return memAnswer{body: body}
	}
	got, bad := wire.DecodeError(wire.AppendError(nil, err))
	bare := errors.Is(got, context.Canceled) || errors.Is(got, context.DeadlineExceeded)
	if bad != nil || bare && sdk.CodeOf(got) == 0 {
		got = &sdk.OutcomeUnknownError{Cause: errors.Join(got, bad)}
	}
	return memAnswer{err: got}
}

// memPublished is how many events of a link wait for Published before Publish does.
const memPublished = 16

// Publish implements [sdk.Link].
func (l *memLink) Publish(ctx context.Context, e sdk.Event) error {
	if err := memCheckEvent(e); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		return err
	}
	defer l.calls.Done()
	e.Body = append([]byte(nil), e.Body...)
	l.pumping.Do(func() { l.calls.Go(l.pump) }) // this call is counted still, so finish waits
	select {
	case l.queue <- e:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	case <-l.ctx.Done():
		return l.why
	}
}

// pump hands events to the server's handler, one after the other, until the link ends.
func (l *memLink) pump() {
	for {
		select {
		case e := <-l.queue:
			l.srv.handler.Published(l.ctx, l.peer, e)
		case <-l.ctx.Done():
			return
		}
	}
}

// deliver puts e into the queues of the subscriptions it matches.
func (l *memLink) deliver(e sdk.Event) {
	l.mu.Lock()
	subs := append([]*memSubscription(nil), l.subs...)
	l.mu.Unlock()
	for _, s := range subs {
		if strings.HasPrefix(e.Topic, s.prefix) {
			s.push(e)
		}
	}
}

// Wait implements [sdk.Link].
func (l *memLink) Wait(ctx context.Context) error {
	select {
	case <-l.done:
	default:
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(l.why, errMemGoodbye) {
		return nil
	}
	return l.why
}

// Close implements [sdk.Link].
func (l *memLink) Close(ctx context.Context) error {
	go l.finish(fmt.Errorf("%w: %w by this side", sdk.ErrUnavailable, sdk.ErrClosed)) // ends when every Handle has
	select {
	case <-l.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a Handle still runs: %w", sdk.ErrUnclean, ctx.Err())
	}
}

// finish ends the link, once: it cancels the Handles and waits for them. After a
// goodbye the link shows as gone when they have answered, else at once.
func (l *memLink) finish(why error) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended, l.why = true, why
	subs := l.subs
	l.mu.Unlock()
	l.cancel()
	if !errors.Is(why, errMemGoodbye) {
		close(l.done)
	}
	l.calls.Wait()
	if errors.Is(why, errMemGoodbye) {
		close(l.done)
	}
	for _, s := range subs {
		s.end(why)
	}
	l.srv.leave(l)
	l.srv.handler.Ended(l.peer)
	l.r.disown(l)
	close(l.over)
}

func memCheckMessage(m sdk.Message) error {
	if len(m.Op) > 64 {
		return fmt.Errorf("%w: operation name of %d bytes, the limit is 64", sdk.ErrInvalid, len(m.Op))
	}
	return memCheckBody("message", m.Body)
}

func memCheckEvent(e sdk.Event) error {
	if len(e.Topic) > 256 {
		return fmt.Errorf("%w: topic of %d bytes, the limit is 256", sdk.ErrInvalid, len(e.Topic))
	}
	return memCheckBody("event", e.Body)
}

func memCheckBody(what string, body []byte) error {
	if len(body) > sdk.MaxMessageBytes {
		return fmt.Errorf("%w: %s of %d bytes, the limit is %d", sdk.ErrInvalid, what, len(body), sdk.MaxMessageBytes)
	}
	return nil
}
