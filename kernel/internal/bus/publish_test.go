package bus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func TestPublishReachesEverybody(t *testing.T) {
	w := newWorld(t, 3)
	var some, all []*Subscription
	for _, n := range w.nodes {
		some, all = append(some, w.subscribe(n, "a/")), append(all, w.subscribe(n, ""))
	}
	for i, n := range w.nodes {
		w.publish(n, "b", "other")
		w.publish(n, "a/x", fmt.Sprint(i))
	}
	for i, n := range w.nodes {
		for _, s := range some {
			if e := w.next(s); e.Topic != "a/x" || e.Epoch != 1 || e.From != n.self || string(e.Body) != fmt.Sprint(i) || e.Lost != 0 || e.Gap || e.Notice {
				t.Errorf("%+v", e)
			}
		}
		for _, s := range all {
			if e := w.next(s); e.Topic != "b" {
				t.Errorf("%+v, want b first", e)
			}
			w.next(s)
		}
	}
}

// TestKernelTopicsAreApart: an application neither sees the kernel's topics nor can
// publish on them.
func TestKernelTopicsAreApart(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.nodes[0], w.nodes[1]
	app := w.subscribe(b, "")
	kernel, err := b.Watch(w.ctx, "members")
	if err != nil {
		t.Fatal(err)
	}
	w.publish(b, "k:members", "forged")
	w.publish(b, "members", "forged")
	if err := a.Announce(w.ctx, "members", []byte("real")); err != nil {
		t.Fatal(err)
	}
	w.is("Announce on a secondary", b.Announce(w.ctx, "members", nil), sdk.ErrNotPrimary)
	if e := w.next(kernel); string(e.Body) != "real" {
		t.Errorf("the kernel got %+v", e)
	}
	for _, want := range []string{"k:members", "members"} {
		if e := w.next(app); e.Topic != want {
			t.Errorf("the application got %+v, want %s", e, want)
		}
	}
	w.publish(a, "last", "")
	if e := w.next(app); e.Topic != "last" {
		t.Errorf("the application got %+v", e)
	}
}

// TestPublisherCannotForgeLosses: Lost and Notice are the hub's to say.
func TestPublisherCannotForgeLosses(t *testing.T) {
	w := newWorld(t, 2)
	subs := []*Subscription{w.subscribe(w.nodes[0], ""), w.subscribe(w.nodes[1], "")}
	forged := sdk.Event{Topic: "a:t", Body: []byte("x"), Lost: 7, Notice: true, Epoch: 99}
	if _, err := w.nodes[1].link.Call(w.ctx, sdk.Message{Op: "bus.publish", Body: appendEvent(nil, forged)}); err != nil {
		t.Fatal(err)
	}
	for _, s := range subs {
		if e := w.next(s); e.Lost != 0 || e.Notice || e.Epoch != 1 || string(e.Body) != "x" {
			t.Errorf("%+v", e)
		}
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t, 2)
	long, big := strings.Repeat("x", maxTopic+1), make([]byte, sdk.MaxMessageBytes)
	for _, n := range w.nodes {
		w.is("topic", n.Publish(w.ctx, long, nil), sdk.ErrInvalid)
		w.is("body", n.Publish(w.ctx, "t", big), sdk.ErrInvalid)
		_, err := n.Subscribe(w.ctx, long)
		w.is("prefix", err, sdk.ErrInvalid)
		_, err = n.Call(w.ctx, long, nil)
		w.is("method", err, sdk.ErrInvalid)
		_, err = n.Call(w.ctx, "", nil)
		w.is("no method", err, sdk.ErrInvalid)
		_, err = n.Call(w.ctx, "m", big)
		w.is("request", err, sdk.ErrInvalid)
		for _, method := range []string{"", long} {
			_, err = n.Bus.Handle(method, echo)
			w.is("handled method", err, sdk.ErrInvalid)
		}
		_, err = n.Bus.Handle("m", nil)
		w.is("no handler", err, sdk.ErrInvalid)
	}
	w.publish(w.nodes[1], strings.Repeat("x", maxTopic), "") // the limit itself
}

func TestDamagedMessagesAreRefused(t *testing.T) {
	w := newWorld(t, 2)
	for _, op := range []string{"bus.publish", "bus.call", "bus.handle", "bus.reply"} {
		_, err := w.nodes[1].link.Call(w.ctx, sdk.Message{Op: op, Body: []byte{0xff}})
		w.is(op, err, sdk.ErrInvalid)
	}
	stranger, err := w.transport.Dial(w.ctx, sdk.Scope{Workspace: "w", Epoch: w.epoch}, w.server.Bound())
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Call(w.ctx, sdk.Message{Op: "bus.next"})
	w.is("bus.next of one that handles nothing", err, sdk.ErrInvalid)
}

// TestFullQueueTellsWhatItDropped: with the next message, and without one when the
// queue was read.
func TestFullQueueTellsWhatItDropped(t *testing.T) {
	w := newWorld(t, 1)
	s := w.subscribe(w.nodes[0], "")
	for range queueDepth + 5 {
		w.publish(w.nodes[0], "t", "")
	}
	for range queueDepth {
		if e := w.next(s); e.Lost != 0 || e.Notice {
			t.Fatalf("%+v among what was queued", e)
		}
	}
	if e := w.next(s); !e.Notice || e.Lost != 5 || e.Gap || e.Topic != "" {
		t.Errorf("%+v, want a notice of 5", e)
	}
	for range queueDepth + 3 {
		w.publish(w.nodes[0], "t", "")
	}
	w.next(s)
	w.publish(w.nodes[0], "t", "after")
	for range queueDepth - 1 {
		w.next(s)
	}
	if e := w.next(s); e.Notice || e.Lost != 3 || string(e.Body) != "after" {
		t.Errorf("%+v, want the message and 3 lost", e)
	}
	w.quiet(s)
}

// quiet fails if s has something to say.
func (w *world) quiet(s *Subscription) {
	w.Helper()
	if e, ok := s.pop(); ok {
		w.Errorf("an event too many: %+v", e)
	}
}

func TestRoleChangeShowsAsGap(t *testing.T) {
	w := newWorld(t, 3)
	var subs []*Subscription
	for _, n := range w.nodes {
		subs = append(subs, w.subscribe(n, ""))
	}
	w.publish(w.nodes[1], "t", "1")
	for _, s := range subs {
		if e := w.next(s); e.Gap || e.Epoch != 1 {
			t.Errorf("%+v", e)
		}
	}
	for epoch, primary := range []int{2, 0, 1} {
		w.demote()
		for _, s := range subs {
			w.quiet(s) // nobody knows yet whether anything is missing
		}
		w.promote(primary)
		for i, s := range subs {
			if e := w.next(s); !e.Gap || !e.Notice || len(e.Body) > 0 {
				t.Errorf("subscriber %d: %+v, want a gap", i, e)
			}
		}
		w.publish(w.nodes[0], "t", "2") // all are effective: each was told
		for i, s := range subs {
			if e := w.next(s); e.Gap || e.Notice || e.Epoch != uint64(epoch)+2 {
				t.Errorf("subscriber %d: %+v, want the message", i, e)
			}
		}
	}
}

func TestPublishWaitsForAPrimary(t *testing.T) {
	w := newWorld(t, 2)
	w.demote()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Millisecond)
	defer cancel()
	w.is("no primary before the deadline", w.nodes[1].Publish(ctx, "t", nil), sdk.ErrUnavailable)
	done := make(chan error, 1)
	go func() { done <- w.nodes[1].Publish(w.ctx, "t", nil) }()
	w.promote(0)
	if err := <-done; err != nil {
		t.Errorf("published when there was a primary again: %v", err)
	}
	w.demote()
	hopeless := fmt.Errorf("%w: nobody can come", sdk.ErrUnavailable)
	w.nodes[1].route.mu.Lock()
	w.nodes[1].route.none = hopeless
	w.nodes[1].route.mu.Unlock()
	w.is("without hope", w.nodes[1].Publish(w.ctx, "t", nil), hopeless)
}

func TestCloseEndsEverything(t *testing.T) {
	w := newWorld(t, 2)
	n := w.nodes[1]
	s, blocked := w.subscribe(n, "t"), w.subscribe(n, "x")
	ended := make(chan error, 1)
	go func() {
		_, err := blocked.Next(w.ctx)
		ended <- err
	}()
	w.publish(n, "t", "queued")
	for queued := 0; queued == 0 && w.ctx.Err() == nil; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		queued = len(s.queue)
		s.mu.Unlock()
	}
	n.Close()
	n.Close()
	w.is("a blocked Next", <-ended, sdk.ErrClosed)
	if e, err := s.Next(w.ctx); err != nil || string(e.Body) != "queued" {
		t.Errorf("what was queued before Close: %+v, %v", e, err)
	}
	_, err := n.Subscribe(w.ctx, "t")
	w.is("Subscribe", err, sdk.ErrClosed)
	_, err = n.Bus.Handle("m", echo)
	w.is("Handle", err, sdk.ErrClosed)
}
