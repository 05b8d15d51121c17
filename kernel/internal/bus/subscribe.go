package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// Event is a published message.
type Event struct {
	Topic string
	Epoch uint64 // of the primary that passed it on
	From  string // incarnation of the publisher
	Body  []byte
	Lost  uint64 // events dropped just before this one because the queue was full
	Gap   bool   // the primary changed just before this one: an unknown number may be missing
}

const queueDepth = 4096

// Subscription is a topic prefix with a bounded queue. When the queue is full new
// events are dropped and counted in Lost of the next one.
type Subscription struct {
	bus    *Bus
	prefix string
	life   context.Context
	end    context.CancelFunc
	queue  chan Event

	mu   sync.Mutex // guards what follows
	lost uint64
	gap  bool
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
	s := &Subscription{bus: b, prefix: prefix, queue: make(chan Event, queueDepth)}
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
// (sdk.ErrClosed).
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-s.queue: // what was queued comes first, also after Close
		return e, nil
	default:
	}
	select {
	case e := <-s.queue:
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	case <-s.life.Done():
		return Event{}, fmt.Errorf("%w: subscription", sdk.ErrClosed)
	}
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
		if after != 0 {
			s.mu.Lock()
			s.gap = true
			s.mu.Unlock()
		}
		after = t.Generation
		ready := func() { once.Do(func() { close(attached) }) }
		if t.Link == nil {
			s.fromHub(t, ready)
		} else {
			s.fromLink(t, ready)
		}
	}
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
	out := Event{Topic: strings.TrimPrefix(e.Topic, topicMark), Epoch: e.Epoch, From: e.From,
		Body: e.Body, Lost: s.lost, Gap: s.gap}
	select {
	case s.queue <- out:
		s.lost, s.gap = 0, false
	default:
		s.lost++
	}
}
