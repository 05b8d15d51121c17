package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// eventBacklog is how many bytes may wait in the outbox before events stay in
// their queues: little, so that calls need not wait behind them.
const eventBacklog = 128 << 10

// fanout holds the subscriptions of one session, each with its own bounded queue,
// and sends from them in turn. Publishing never waits for it.
type fanout struct {
	pipe   *pipe
	limits Limits
	wake   chan struct{}
	ctx    context.Context // ends with the pipe or by stop
	cancel context.CancelFunc

	mu      sync.Mutex // guards all below
	topics  []*topic   // in the order of subscribing
	next    int        // whose turn it is
	started bool
	stopped bool
}

// topic is one subscription on the server's side.
type topic struct {
	id     uint64
	prefix string
	queue  []queued
	bytes  int
	lost   uint64
}

type queued struct {
	tail   []byte // shared by all subscribers; nil: only lost
	number uint64
	lost   uint64
}

func newFanout(p *pipe) *fanout {
	f := &fanout{pipe: p, limits: p.host.Limits, wake: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancel(p.ctx)
	return f
}

// add subscribes; the first one starts the goroutine. lost events count as dropped
// before the first.
func (f *fanout) add(id uint64, prefix string, lost uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopped:
		return errClosing
	case len(f.topics) >= f.limits.Prefixes:
		return fmt.Errorf("%w: %d subscriptions on one link, the limit is %d; close some", sdk.ErrInvalid, len(f.topics), f.limits.Prefixes)
	}
	f.topics = append(f.topics, &topic{id: id, prefix: prefix, lost: lost})
	if !f.started {
		f.started = true
		f.pipe.wg.Go(f.run)
	}
	return nil
}

// repeat queues what a subscription missed.
func (f *fanout) repeat(id uint64, missed []kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		for n := 0; t.id == id && n < len(missed); n++ {
			if strings.HasPrefix(missed[n].topic, t.prefix) {
				f.queueLocked(t, missed[n])
			}
		}
	}
	f.signal()
}

func (f *fanout) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fanout) remove(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, t := range f.topics {
		if t.id == id {
			f.topics = append(f.topics[:i], f.topics[i+1:]...)
			return
		}
	}
}

// push queues an event for the subscriptions it matches. A full queue drops it
// and counts it.
func (f *fanout) push(e kept) {
	f.mu.Lock()
	some, dropped := false, uint64(0)
	for _, t := range f.topics {
		switch {
		case !strings.HasPrefix(e.topic, t.prefix):
		case f.queueLocked(t, e):
			some = true
		default:
			dropped++
		}
	}
	f.mu.Unlock()
	if some {
		f.signal()
	}
	if dropped > 0 {
		f.pipe.host.note(CountEvents, dropped, "a subscriber is slow; it is told how many events it lost")
	}
}

// queueLocked queues e for t, or counts it as lost.
func (f *fanout) queueLocked(t *topic, e kept) bool {
	if len(t.queue) >= f.limits.Events || len(t.queue) > 0 && t.bytes+len(e.tail) > f.limits.EventBytes {
		t.lost += 1 + e.lost
		return false
	}
	t.queue = append(t.queue, queued{e.tail, e.number, e.lost + t.lost})
	t.bytes += len(e.tail)
	t.lost = 0
	return true
}

// run sends until the pipe ends or stop is called.
func (f *fanout) run() {
	for {
		select {
		case <-f.wake:
		case <-f.ctx.Done():
			return
		}
		for f.send(f.ctx) {
		}
	}
}

// send puts some queued events into the outbox; false if there are none.
// Two may send at once: popping and appending is one step under the outbox's mu,
// which keeps the order.
func (f *fanout) send(ctx context.Context) bool {
	if f.pipe.out.begin(ctx, eventBacklog) != nil {
		return false
	}
	out := f.pipe.out
	before := len(out.pending)
	for len(out.pending)-before < eventBacklog {
		id, q, ok := f.pop()
		if !ok {
			break
		}
		if q.tail == nil {
			out.fields = binary.BigEndian.AppendUint64(out.fields[:0], q.lost)
			out.appendLocked(KindLost, id, out.fields, nil)
		} else {
			out.fields = appendEvent(out.fields[:0], q.number, q.lost)
			out.appendLocked(KindEvent, id, out.fields, q.tail)
		}
	}
	some := len(out.pending) > before
	out.commit(false)
	return some
}

// pop takes the next event, the subscriptions in turn. What a subscription lost
// after its last one comes when its queue is empty.
func (f *fanout) pop() (uint64, queued, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.topics {
		f.next = (f.next + 1) % len(f.topics)
		t := f.topics[f.next]
		if len(t.queue) == 0 && t.lost == 0 {
			continue
		}
		if len(t.queue) == 0 {
			q := queued{lost: t.lost}
			t.lost = 0
			return t.id, q, true
		}
		q := t.queue[0]
		t.queue[0] = queued{} // let the bytes go
		t.queue = t.queue[1:]
		t.bytes -= len(q.tail)
		return t.id, q, true
	}
	return 0, queued{}, false
}

// flush sends what is queued, until ctx ends.
func (f *fanout) flush(ctx context.Context) {
	for f.send(ctx) {
	}
}

// stop ends the goroutine and drops what is queued.
func (f *fanout) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.topics = nil
	f.cancel()
}
