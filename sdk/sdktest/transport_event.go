package sdktest

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var transportEvents = []transportTest{
	{"a subscription is effective when it returns", eventEffective},
	{"a prefix selects", eventPrefix},
	{"all subscribers see one order", eventOrder},
	{"what a link publishes reaches the handler in order", eventFromLink},
	{"closing a subscription ends next", eventClose},
	{"next returns when its context ends and works again", eventNextContext},
	{"a stopped subscriber slows nobody and losses are counted, the last ones too", eventStopped},
	{"a notice is the transport's", eventNoticeIsNotTheirs},
	{"what was published before close arrives", eventBeforeClose},
	{"the end of the link ends next", eventLinkGone},
}

func (r *transportRig) subscribe(l sdk.Link, prefix string) sdk.Subscription {
	r.Helper()
	s, err := l.Subscribe(r.ctx, prefix)
	if err != nil {
		r.Fatalf("Subscribe(%q): %v", prefix, err)
	}
	return s
}

func (r *transportRig) publish(s sdk.Server, e sdk.Event) {
	r.Helper()
	if err := s.Publish(r.ctx, e); err != nil {
		r.Fatalf("Publish: %v", err)
	}
}

func (r *transportRig) next(s sdk.Subscription) sdk.Event {
	r.Helper()
	e, err := s.Next(r.ctx)
	if err != nil {
		r.Fatalf("Next: %v", err)
	}
	return e
}

func eventEffective(r *transportRig) {
	s := r.serve(transportHandler{})
	for i := range 50 {
		l := r.dial(s)
		sub := r.subscribe(l, "t")
		want := sdk.Event{Topic: "t", Epoch: uint64(i), From: "me", Body: fmt.Appendf(nil, "%d", i)}
		r.publish(s, want)
		if got := r.next(sub); got.Topic != want.Topic || got.Epoch != want.Epoch || got.From != want.From ||
			string(got.Body) != string(want.Body) || got.Lost != 0 {
			r.Fatalf("got %+v, want %+v", got, want)
		}
		r.close("link", l)
	}
}

func eventPrefix(r *transportRig) {
	s := r.serve(transportHandler{})
	l, other := r.dial(s), r.dial(s)
	all, ab, same := r.subscribe(l, ""), r.subscribe(l, "a.b"), r.subscribe(other, "a.b")
	topics := []string{"a", "a.b", "b.a.b", "a.bc", "", "a.b.c"}
	for _, topic := range topics {
		r.publish(s, sdk.Event{Topic: topic})
	}
	for _, want := range topics {
		if e := r.next(all); e.Topic != want {
			r.Errorf("prefix \"\": got %q, want %q", e.Topic, want)
		}
	}
	for _, sub := range []sdk.Subscription{ab, same} {
		for _, want := range []string{"a.b", "a.bc", "a.b.c"} {
			if e := r.next(sub); e.Topic != want {
				r.Errorf("prefix a.b: got %q, want %q", e.Topic, want)
			}
		}
	}
}

func eventOrder(r *transportRig) {
	const publishers, each, readers = 4, 200, 3
	s := r.serve(transportHandler{})
	subs := make([]sdk.Subscription, readers)
	for i := range subs {
		subs[i] = r.subscribe(r.dial(s), "")
	}
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				if err := s.Publish(r.ctx, sdk.Event{Topic: fmt.Sprint(p), Epoch: uint64(i)}); err != nil {
					r.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var first []string
	for i, sub := range subs {
		last := map[string]uint64{}
		for n := range publishers * each {
			e := r.next(sub)
			if at, ok := last[e.Topic]; ok && e.Epoch != at+1 {
				r.Fatalf("publisher %s: %d after %d", e.Topic, e.Epoch, at)
			}
			last[e.Topic] = e.Epoch
			name := fmt.Sprint(e.Topic, "/", e.Epoch)
			if i == 0 {
				first = append(first, name)
			} else if first[n] != name {
				r.Fatalf("event %d: one subscriber saw %s, another %s", n, first[n], name)
			}
		}
	}
}

func eventFromLink(r *transportRig) {
	const n = 500
	got := make(chan sdk.Event, n)
	l := r.dial(r.serve(transportHandler{published: func(from sdk.Peer, e sdk.Event) {
		if from.Scope.Incarnation != r.client.Incarnation {
			r.Errorf("event from %q", from.Scope.Incarnation)
		}
		got <- e
	}}))
	for i := range n {
		if err := l.Publish(r.ctx, sdk.Event{Topic: "t", Epoch: uint64(i), From: "f", Body: []byte{byte(i)}}); err != nil {
			r.Fatal(err)
		}
	}
	for i := range n {
		if e := transportReceive(r, "event", got); e.Epoch != uint64(i) || len(e.Body) != 1 || e.Body[0] != byte(i) || e.From != "f" {
			r.Fatalf("event %d: got %+v", i, e)
		}
	}
}

func eventClose(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	sub, kept := r.subscribe(l, ""), r.subscribe(l, "")
	result := make(chan error, 1)
	go func() {
		_, err := sub.Next(r.ctx)
		result <- err
	}()
	for range 2 {
		if err := sub.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	}
	r.is("blocked Next", transportReceive(r, "Next", result), sdk.ErrClosed)
	_, err := sub.Next(r.ctx)
	r.is("Next after Close", err, sdk.ErrClosed)
	r.publish(s, sdk.Event{Topic: "t"})
	r.next(kept)
}

func eventNextContext(r *transportRig) {
	s := r.serve(transportHandler{})
	sub := r.subscribe(r.dial(s), "")
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Millisecond)
	defer cancel()
	_, err := sub.Next(ctx)
	r.is("Next", err, context.DeadlineExceeded)
	r.publish(s, sdk.Event{Topic: "t"})
	r.next(sub)
}

// eventStopped floods two subscribers. One never calls Next until the flood is
// over; then it must be able to account for every event.
func eventStopped(r *transportRig) {
	const n, batch = 20000, 100
	s := r.serve(transportHandler{})
	stopped, good := r.dial(s), r.dial(s)
	late, sub := r.subscribe(stopped, ""), r.subscribe(good, "")
	body := make([]byte, 1024)
	seq := uint64(0)
	publish := func() {
		seq++
		binary.BigEndian.PutUint64(body, seq)
		r.publish(s, sdk.Event{Topic: "t", Body: body})
	}
	for range n / batch {
		for range batch {
			publish()
		}
		for range batch {
			if e := r.next(sub); e.Lost != 0 {
				r.Fatalf("the subscriber that reads lost %d", e.Lost)
			}
		}
		if _, err := stopped.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
			r.Fatalf("a call over the stopped subscriber's link: %v", err)
		}
	}
	r.accountFor(late, seq)
	publish() // what was told is not told again
	if e := r.next(late); e.Lost != 0 || e.Notice || binary.BigEndian.Uint64(e.Body) != seq {
		r.Errorf("event %d after all was told: Lost %d, Notice %t", seq, e.Lost, e.Notice)
	}
}

// accountFor reads late, with nothing published meanwhile, until it was told of the
// events numbered 1 to last: each comes or is counted, also after the one that comes
// last.
func (r *transportRig) accountFor(late sdk.Subscription, last uint64) {
	r.Helper()
	var have, lost uint64
	for have < last {
		e, err := late.Next(r.ctx)
		if err != nil {
			r.Fatalf("Next of the late subscriber after event %d of %d and %d lost: %v", have, last, lost, err)
		}
		have, lost = have+e.Lost, lost+e.Lost
		if e.Notice {
			if e.Lost == 0 || e.Topic != "" || e.Epoch != 0 || e.From != "" || len(e.Body) != 0 {
				r.Fatalf("a notice tells of lost events and nothing else, got %+v", e)
			}
			continue
		}
		have++
		if got := binary.BigEndian.Uint64(e.Body); got != have {
			r.Fatalf("event %d with Lost %d where %d should be: some are unaccounted for", got, e.Lost, have)
		}
	}
	if have > last {
		r.Fatalf("told of %d events of %d", have, last)
	}
	r.Logf("the late subscriber read %d of %d events and was told of %d lost", last-lost, last, lost)
}

// eventNoticeIsNotTheirs publishes what claims to be a notice.
func eventNoticeIsNotTheirs(r *transportRig) {
	s := r.serve(transportHandler{})
	sub := r.subscribe(r.dial(s), "")
	r.publish(s, sdk.Event{Topic: "t", Body: []byte("x"), Notice: true})
	if e := r.next(sub); e.Notice || e.Topic != "t" || string(e.Body) != "x" {
		r.Errorf("got %+v, want the event and no notice", e)
	}
}

func eventBeforeClose(r *transportRig) {
	const n = 1000
	s := r.serve(transportHandler{})
	sub := r.subscribe(r.dial(s), "")
	for i := range n {
		r.publish(s, sdk.Event{Topic: "t", Epoch: uint64(i)})
	}
	r.close("server", s)
	for want := uint64(0); want < n; want++ {
		e := r.next(sub)
		if want += e.Lost; e.Epoch != want {
			r.Fatalf("got event %d with Lost %d, want %d", e.Epoch, e.Lost, want)
		}
	}
	_, err := sub.Next(r.ctx)
	r.is("Next after the last", err, sdk.ErrUnavailable)
}

func eventLinkGone(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	sub := r.subscribe(l, "")
	result := make(chan error, 1)
	go func() {
		_, err := sub.Next(r.ctx)
		result <- err
	}()
	r.close("server", s)
	r.is("Next", transportReceive(r, "Next", result), sdk.ErrUnavailable)
	if _, err := l.Subscribe(r.ctx, ""); err == nil {
		r.Error("Subscribe succeeded on a link that is gone")
	}
}
