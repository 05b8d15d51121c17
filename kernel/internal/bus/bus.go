// Package bus is the application's bus: publish, subscribe, handle and call, the
// same on either role. The primary is the hub. A secondary publishes and calls
// over its link, and pulls the calls meant for its handlers, so a transport needs
// no call in the other direction.
package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Target is the primary of one generation. Link is nil if it is this instance.
type Target struct {
	Generation uint64
	Epoch      uint64
	Link       sdk.Link
}

// Route tells where the primary is.
type Route interface {
	// Primary blocks until a primary of a generation above after is known; it gives
	// up with ErrUnavailable when none can come.
	Primary(ctx context.Context, after uint64) (Target, error)
	// Await is Primary without giving up.
	Await(ctx context.Context, after uint64) (Target, error)
}

const (
	maxTopic   = 250
	topicMark  = "a:" // the application's topics
	kernelMark = "k:" // the kernel's own
)

// Bus is one instance's part of the bus.
type Bus struct {
	route   Route
	self    string // incarnation
	timeout time.Duration
	life    context.Context
	end     context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	handlers map[string]Handler
	locals   map[*Subscription]bool // subscriptions fed by this hub
	link     sdk.Link               // on which our handlers are announced
	calls    *exchange              // of the primary; never nil
	closed   bool

	pubMu  sync.Mutex // one order for links and local subscribers; guards what follows
	server sdk.Server // nil unless primary
	epoch  uint64
}

// New returns a running bus. timeout bounds calls whose context has no deadline.
func New(route Route, self string, timeout time.Duration) *Bus {
	life, end := context.WithCancel(context.Background())
	b := &Bus{route: route, self: self, timeout: timeout, life: life, end: end,
		handlers: map[string]Handler{}, locals: map[*Subscription]bool{}, calls: newExchange()}
	b.work.Go(b.respond)
	return b
}

// Serve makes this instance the hub. Call it before the route names it.
func (b *Bus) Serve(s sdk.Server, epoch uint64) {
	b.pubMu.Lock()
	b.server, b.epoch = s, epoch
	b.pubMu.Unlock()
	b.calls.open()
}

// Unserve ends that: calls waiting for a responder fail.
func (b *Bus) Unserve() {
	b.pubMu.Lock()
	b.server = nil
	b.pubMu.Unlock()
	b.calls.shut()
}

// Close ends subscriptions and responders and waits. Idempotent.
func (b *Bus) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.calls.shut()
	b.work.Wait()
}

// Publish sends body to every subscriber of topic.
func (b *Bus) Publish(ctx context.Context, topic string, body []byte) error {
	if len(topic) > maxTopic {
		return fmt.Errorf("%w: topic of %d bytes; at most %d", sdk.ErrInvalid, len(topic), maxTopic)
	}
	if len(body) > sdk.MaxMessageBytes-1024 {
		return fmt.Errorf("%w: message of %d bytes; at most %d", sdk.ErrInvalid, len(body), sdk.MaxMessageBytes-1024)
	}
	e := sdk.Event{Topic: topicMark + topic, From: b.self, Body: body}
	_, err := b.ask(ctx, "bus.publish", appendEvent(nil, e), func(ctx context.Context) ([]byte, error) {
		return nil, b.broadcast(ctx, e)
	})
	return err
}

// Call asks whichever instance handles method.
func (b *Bus) Call(ctx context.Context, method string, body []byte) ([]byte, error) {
	if method == "" || len(method) > maxTopic || len(body) > sdk.MaxMessageBytes-1024 {
		return nil, fmt.Errorf("%w: method of %d bytes with a body of %d; use 1 to %d and at most %d",
			sdk.ErrInvalid, len(method), len(body), maxTopic, sdk.MaxMessageBytes-1024)
	}
	j := job{method: method, body: body}
	return b.ask(ctx, "bus.call", appendJob(nil, j), func(ctx context.Context) ([]byte, error) {
		return b.dispatch(ctx, method, body)
	})
}

// ask sends to the primary, or runs local if that is us. It goes on to the next
// primary only if the last one certainly did nothing.
func (b *Bus) ask(ctx context.Context, op string, body []byte, local func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	var after uint64
	for {
		t, err := b.route.Primary(ctx, after)
		if err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w: no primary: %w", sdk.ErrUnavailable, ctx.Err())
			}
			return nil, err
		}
		var reply []byte
		if t.Link == nil {
			reply, err = local(ctx)
		} else {
			reply, err = t.Link.Call(ctx, sdk.Message{Op: op, Epoch: t.Epoch, Timeout: left(ctx), Body: body})
		}
		if !errors.Is(err, sdk.ErrNotPrimary) && !neverLeft(t, err) {
			return reply, err
		}
		after = t.Generation
	}
}

// bounded gives ctx a deadline if it has none.
func (b *Bus) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, b.timeout)
}

// neverLeft reports whether err says that the call was certainly not executed
// because its link is gone, so that the next primary may be asked.
func neverLeft(t Target, err error) bool {
	if t.Link == nil || !errors.Is(err, sdk.ErrUnavailable) {
		return false
	}
	look, cancel := context.WithCancel(context.Background())
	cancel()
	// A link that stands has nothing to report: the answer came from the primary.
	return !errors.Is(t.Link.Wait(look), context.Canceled)
}

func left(ctx context.Context) time.Duration {
	d, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(d), time.Millisecond)
}

// broadcast is the hub's publish.
func (b *Bus) broadcast(ctx context.Context, e sdk.Event) error {
	b.pubMu.Lock()
	defer b.pubMu.Unlock()
	if b.server == nil {
		return &sdk.NotPrimaryError{}
	}
	e.Epoch, e.Lost, e.Notice = b.epoch, 0, false
	if err := b.server.Publish(ctx, e); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.locals {
		if strings.HasPrefix(e.Topic, s.prefix) {
			s.push(e)
		}
	}
	return nil
}

// Message answers a bus operation of a peer; known is false for other operations.
func (b *Bus) Message(ctx context.Context, from sdk.Peer, m sdk.Message) (reply []byte, known bool, err error) {
	switch m.Op {
	case "bus.publish":
		e, err := decodeEvent(m.Body)
		if err != nil {
			return nil, true, err
		}
		return nil, true, b.broadcast(ctx, e)
	case "bus.call":
		j, err := decodeJob(m.Body)
		if err != nil {
			return nil, true, err
		}
		ctx, cancel := b.bounded(ctx)
		defer cancel()
		reply, err = b.dispatch(ctx, j.method, j.body)
		return reply, true, err
	case "bus.handle":
		methods, err := decodeMethods(m.Body)
		if err == nil {
			b.calls.register(from.Session, methods)
		}
		return nil, true, err
	case "bus.next":
		j, err := b.calls.next(ctx, from.Session)
		if err != nil {
			return nil, true, err
		}
		return appendJob(nil, j), true, nil
	case "bus.reply":
		return nil, true, b.calls.reply(from.Session, m.Body)
	}
	return nil, false, nil
}

// Ended forgets a peer's handlers; calls it had taken end as unknown.
func (b *Bus) Ended(from sdk.Peer) { b.calls.ended(from.Session) }
