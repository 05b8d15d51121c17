package sdktest

import (
	"context"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// memQueue is how many events a subscription holds before it drops.
const memQueue = 4096

// memSubscription is a bounded queue.
type memSubscription struct {
	link   *memLink
	prefix string
	wake   chan struct{}

	mu    sync.Mutex // guards all below
	queue []sdk.Event
	lost  uint64
	err   error
}

// Subscribe implements [sdk.Link].
func (l *memLink) Subscribe(ctx context.Context, prefix string) (sdk.Subscription, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	}
	s := &memSubscription{link: l, prefix: prefix, wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, l.why
	}
	l.subs = append(l.subs, s)
	return s, nil
}

func (s *memSubscription) push(e sdk.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if len(s.queue) >= memQueue {
		s.lost += 1 + e.Lost // told with the next event, or by pop
		return
	}
	e.Lost, e.Notice = e.Lost+s.lost, false
	s.lost = 0
	e.Body = append([]byte(nil), e.Body...) // each receiver owns its own
	s.queue = append(s.queue, e)
	s.signal()
}

func (s *memSubscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *memSubscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

// Next implements [sdk.Subscription].
func (s *memSubscription) Next(ctx context.Context) (sdk.Event, error) {
	for {
		if e, ok, err := s.pop(); ok || err != nil {
			return e, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return sdk.Event{}, ctx.Err()
		}
	}
}

func (s *memSubscription) pop() (sdk.Event, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		if lost := s.lost; lost > 0 {
			s.lost = 0
			return sdk.Event{Lost: lost, Notice: true}, true, nil
		}
		if s.err != nil {
			s.signal() // for the next Next
		}
		return sdk.Event{}, false, s.err
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	return e, true, nil
}

// Close implements [sdk.Subscription].
func (s *memSubscription) Close() error {
	l := s.link
	l.mu.Lock()
	for i, have := range l.subs {
		if have == s {
			l.subs = append(l.subs[:i:i], l.subs[i+1:]...)
			break
		}
	}
	l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = fmt.Errorf("%w: the subscription", sdk.ErrClosed)
	s.queue, s.lost = nil, 0
	s.signal()
	return nil
}
