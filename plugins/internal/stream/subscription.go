package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// subscription is a queue of events on the client's side. A full one drops what
// comes and says so in the next event's Lost, or in a notice once it is empty, so that
// a subscriber which does not read holds up neither the calls of its link nor the
// server.
type subscription struct {
	link *Link
	id   uint64
	wake chan struct{} // holds a token if the queue or err may have changed

	mu    sync.Mutex // guards all below
	queue []sdk.Event
	sizes []int
	bytes int
	lost  uint64
	err   error // why no more come
}

var _ sdk.Subscription = (*subscription)(nil)

// Subscribe implements [sdk.Link]. The server acknowledges once it delivers.
func (l *Link) Subscribe(ctx context.Context, prefix string) (sdk.Subscription, error) {
	if len(prefix) > maxTopic {
		return nil, fmt.Errorf("%w: prefix of %d bytes, the limit is %d", sdk.ErrInvalid, len(prefix), maxTopic)
	}
	s := &subscription{link: l, wake: make(chan struct{}, 1)}
	c := newCall()
	c.fields = binary.BigEndian.AppendUint64(c.fields, 0) // from now on
	_, err := l.roundTrip(ctx, c, KindSubscribe, []byte(prefix), func(id uint64) {
		s.id = id
		l.mu.Lock()
		l.subs[id] = s // before the server knows: its first event may come right after the answer
		l.mu.Unlock()
	})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// push queues e, whose frame had size bytes, or counts it as lost.
func (s *subscription) push(e sdk.Event, size int) {
	if !s.queued(e, size) {
		s.link.host.note(CountEvents, 1, "a subscription here is not read; its next event tells how many were lost")
	}
}

func (s *subscription) queued(e sdk.Event, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return true // nobody misses it
	}
	l := s.link.host.Limits
	if len(s.queue) >= l.Events || len(s.queue) > 0 && s.bytes+size > l.EventBytes {
		s.lost += 1 + e.Lost
		return false
	}
	e.Lost += s.lost
	s.lost = 0
	s.queue = append(s.queue, e)
	s.sizes = append(s.sizes, size)
	s.bytes += size
	s.signal()
	return true
}

// miss counts what the server dropped.
func (s *subscription) miss(lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.lost += lost
	s.signal()
}

func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next implements [sdk.Subscription]. Events that arrived before the link broke
// come first.
func (s *subscription) Next(ctx context.Context) (sdk.Event, error) {
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

func (s *subscription) pop() (sdk.Event, bool, error) {
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
	s.queue[0] = sdk.Event{} // let the body go
	s.bytes -= s.sizes[0]
	s.queue, s.sizes = s.queue[1:], s.sizes[1:]
	return e, true, nil
}

// finish makes Next return err once the queue is empty.
func (s *subscription) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

// Close implements [sdk.Subscription].
func (s *subscription) Close() error {
	l := s.link
	l.mu.Lock()
	_, open := l.subs[s.id]
	delete(l.subs, s.id)
	l.mu.Unlock()
	if open {
		l.post(KindUnsubscribe, s.id, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = fmt.Errorf("%w: the subscription", sdk.ErrClosed)
	s.queue, s.sizes, s.bytes, s.lost = nil, nil, 0, 0
	s.signal()
	return nil
}
