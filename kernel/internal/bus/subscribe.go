package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// Event is a published message or, with Notice, word of messages that were lost.
type Event struct {
	Topic  string
	Epoch  uint64 // of the primary that passed it on
	From   string // incarnation of the publisher
	Body   []byte
	Lost   uint64 // messages dropped just before this one because a queue was full
	Gap    bool   // the primary changed just before this one: an unknown number may be missing
	Notice bool   // no message: only Lost and Gap mean something, and none followed them yet
}

const queueDepth = 4096

// Subscription is a topic prefix with a bounded queue. When the queue is full new
// events are dropped and counted in Lost of the next one, or of a notice when the queue
// was read and none came.
type Subscription struct {
	bus    *Bus
	prefix string
	life   context.Context
	end    context.CancelFunc
	wake   chan struct{} // holds one token if what mu guards may have changed

	mu       sync.Mutex // guards what follows
	queue    []Event
	lost     uint64
	gap      bool
	attached bool // effective at a primary: a gap that ended is told only then
}

// Subscribe returns once the subscription is effective at the primary.
func (b *Bus) Subscribe(ctx context.Context, prefix string) (*Subscription, error) {
	if len(prefix) > maxTopic {
		return nil, fmt.Errorf("%w: prefix of %d bytes; at most %d", sdk.ErrInvalid, len(prefix), maxTopic)
	}
	return b.subscribe(ctx, topicMark+prefix)
}

// Watch is Subscribe for a topic of the kernel's own; see Announce.
func (b *Bus) Watch(ctx context.Context, topic string) (*Subscription, error) {
	return b.subscribe(ctx, kernelMark+topic)
}

// Announce publishes on a topic of the kernel's own. It does nothing on a
// secondary.
func (b *Bus) Announce(ctx context.Context, topic string, body []byte) error {
	return b.broadcast(ctx, sdk.Event{Topic: kernelMark + topic, From: b.self, Body: body})
}

func (b *Bus) subscribe(ctx context.Context, prefix string) (*Subscription, error) {
	s := &Subscription{bus: b, prefix: prefix, wake: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(b.life)
	attached := make(chan struct{})
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	}
	b.work.Go(func() { s.pump(attached) })
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	select {
	case <-attached:
		return s, nil
	case <-s.life.Done():
		return nil, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	case <-ctx.Done():
		s.end()
		return nil, fmt.Errorf("%w: subscribe %q: no primary: %w", sdk.ErrUnavailable, prefix[2:], ctx.Err())
	}
}

// Next blocks for the next event, until ctx ends or the subscription is closed
// (sdk.ErrClosed). What was queued comes first, also after Close.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := s.pop(); ok {
			return e, nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-s.life.Done():
			return Event{}, fmt.Errorf("%w: subscription", sdk.ErrClosed)
		}
	}
}

// pop takes the oldest event; after the last one it tells what was lost since.
func (s *Subscription) pop() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		e := s.queue[0]
		s.queue[0] = Event{} // let the body go
		s.queue = s.queue[1:]
		return e, true
	}
	e := Event{Lost: s.lost, Gap: s.gap && s.attached, Notice: true}
	if e.Lost == 0 && !e.Gap {
		return Event{}, false
	}
	s.lost, s.gap = 0, s.gap && !s.attached
	return e, true
}

// Close ends the subscription; a blocked Next returns. Idempotent.
func (s *Subscription) Close() { s.end() }

// pump follows the primary: it subscribes anew at each one.
func (s *Subscription) pump(attached chan struct{}) {
	var once sync.Once
	var after uint64
	for {
		t, err := s.bus.route.Await(s.life, after)
		if err != nil {
			return
		}
		s.attach(false, after != 0)
		after = t.Generation
		ready := func() {
			s.attach(true, false)
			once.Do(func() { close(attached) })
		}
		if t.Link == nil {
			s.fromHub(t, ready)
		} else {
			s.fromLink(t, ready)
		}
	}
}

// attach notes whether the subscription is effective at a primary, and whether
// another one was before.
func (s *Subscription) attach(attached, gap bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached, s.gap = attached, s.gap || gap
	poke(s.wake)
}

func (s *Subscription) fromHub(t Target, ready func()) {
	s.bus.mu.Lock()
	s.bus.locals[s] = true
	s.bus.mu.Unlock()
	defer func() {
		s.bus.mu.Lock()
		delete(s.bus.locals, s)
		s.bus.mu.Unlock()
	}()
	ready()
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	// Only to wait for a change: pump asks again for the target itself.
	_, _ = s.bus.route.Await(ctx, t.Generation)
}

func (s *Subscription) fromLink(t Target, ready func()) {
	in, err := t.Link.Subscribe(s.life, s.prefix)
	if err != nil {
		return // the link is gone; the route brings the next one
	}
	defer in.Close()
	ready()
	for {
		e, err := in.Next(s.life)
		if err != nil {
			return
		}
		s.push(e)
	}
}

// push queues without blocking.
func (s *Subscription) push(e sdk.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += e.Lost
	switch {
	case e.Notice: // told with the next event, or by pop
	case len(s.queue) >= queueDepth:
		s.lost++
	default:
		s.queue = append(s.queue, Event{Topic: strings.TrimPrefix(e.Topic, topicMark), Epoch: e.Epoch, From: e.From,
			Body: e.Body, Lost: s.lost, Gap: s.gap})
		s.lost, s.gap = 0, false
	}
	poke(s.wake)
}
