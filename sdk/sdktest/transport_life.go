package sdktest

import (
	"context"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var transportLives = []transportTest{
	{"a goodbye ends wait with nil", lifeGoodbye},
	{"a goodbye settles what is in flight", lifeGoodbyeInFlight},
	{"a link made while the server closes gets its goodbye", lifeGoodbyeAtOnce},
	{"closing a link leaves its calls unknown", lifeLinkClose},
	{"ended comes once, after the handles were cancelled", lifeEnded},
	{"wait ends with its context", lifeWaitContext},
	{"close is idempotent and concurrent", lifeCloseMany},
	{"a closed server publishes nothing", lifeClosedServer},
	{"closing the plugin closes what it opened", lifePluginClose},
	{"sessions have their own ids", lifeSessions},
}

func lifeGoodbye(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	result := make(chan error, 1)
	go func() { result <- l.Wait(r.ctx) }()
	r.close("server", s)
	if err := transportReceive(r, "Wait", result); err != nil {
		r.Errorf("Wait: got %v, want nil", err)
	}
	if err := l.Wait(r.ctx); err != nil {
		r.Errorf("Wait again: got %v, want nil", err)
	}
	_, err := l.Call(r.ctx, sdk.Message{Op: "x"})
	r.is("call after the goodbye", err, sdk.ErrUnavailable)
	r.is("publish after the goodbye", l.Publish(r.ctx, sdk.Event{Topic: "t"}), sdk.ErrUnavailable)
}

// A link of which only the client knows yet must not look like one that broke: the
// next primary would be taken for the successor of one that crashed.
func lifeGoodbyeAtOnce(r *transportRig) {
	for range 50 {
		s := r.serve(transportHandler{})
		closed := make(chan struct{})
		l, err := r.there.Transport().Dial(r.ctx, r.client, s.Bound())
		if err != nil {
			r.Fatalf("Dial: %v", err)
		}
		var wg sync.WaitGroup
		for range 4 { // these may come too late
			wg.Go(func() {
				<-closed
				l, err := r.there.Transport().Dial(r.ctx, r.client, s.Bound())
				if err != nil {
					r.is("Dial of a closing server", err, sdk.ErrUnavailable)
					return
				}
				if err := l.Wait(r.ctx); err != nil {
					r.Errorf("link made while the server closed: Wait: %v", err)
				}
				r.close("link", l)
			})
		}
		close(closed)
		r.close("server", s)
		if err := l.Wait(r.ctx); err != nil {
			r.Errorf("link made before the server closed: Wait: %v", err)
		}
		wg.Wait()
		r.close("link", l)
	}
}

func lifeGoodbyeInFlight(r *transportRig) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	s := r.serve(transportBlocking(begun, ended))
	l := r.dial(s)
	result := make(chan error, 1)
	go func() {
		_, err := l.Call(r.ctx, sdk.Message{Op: "block"})
		result <- err
	}()
	transportReceive(r, "begin of the handle", begun)
	r.close("server", s)
	select {
	case <-ended:
	default:
		r.Error("Close returned before the handle")
	}
	r.is("the call that was running", transportReceive(r, "call", result), sdk.ErrOutcomeUnknown)
}

func lifeLinkClose(r *transportRig) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	l := r.dial(r.serve(transportBlocking(begun, ended)))
	result := make(chan error, 1)
	go func() {
		_, err := l.Call(r.ctx, sdk.Message{Op: "block"})
		result <- err
	}()
	transportReceive(r, "begin of the handle", begun)
	r.close("link", l)
	r.is("the call in flight", transportReceive(r, "call", result), sdk.ErrOutcomeUnknown)
	transportReceive(r, "end of the handle", ended)
	if err := l.Wait(r.ctx); err == nil {
		r.Error("Wait returned nil, though no goodbye came")
	}
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err == nil {
		r.Error("a call on a closed link succeeded")
	}
}

func lifeEnded(r *transportRig) {
	const links = 10
	ctxs := make(chan context.Context, links)
	ends := make(chan sdk.Peer, 2*links)
	var mu sync.Mutex
	running := map[string]context.Context{}
	s := r.serve(transportHandler{
		handle: func(ctx context.Context, from sdk.Peer, _ sdk.Message) ([]byte, error) {
			mu.Lock()
			running[from.Session] = ctx
			mu.Unlock()
			ctxs <- ctx
			<-ctx.Done()
			return nil, ctx.Err()
		},
		ended: func(from sdk.Peer) {
			mu.Lock()
			ctx := running[from.Session]
			mu.Unlock()
			if ctx == nil || ctx.Err() == nil {
				r.Errorf("session %s ended before its handle was cancelled", from.Session)
			}
			ends <- from
		},
	})
	var wg sync.WaitGroup
	all := make([]sdk.Link, links)
	for i := range all {
		all[i] = r.dial(s)
		wg.Go(func() { _, _ = all[i].Call(r.ctx, sdk.Message{Op: "x"}) })
		transportReceive(r, "handle", ctxs)
	}
	for _, l := range all[:links/2] { // half by the client, half by the server
		r.close("link", l)
	}
	r.close("server", s)
	wg.Wait()
	seen := map[string]int{}
	for range links {
		seen[transportReceive(r, "Ended", ends).Session]++
	}
	if len(seen) != links || len(ends) != 0 {
		r.Errorf("%d sessions ended, %d calls of Ended too many, want %d", len(seen), len(ends), links)
	}
}

func lifeWaitContext(r *transportRig) {
	l := r.dial(r.serve(transportHandler{}))
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Millisecond)
	defer cancel()
	r.is("Wait", l.Wait(ctx), context.DeadlineExceeded)
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
		r.Errorf("afterwards: %v", err)
	}
}

func lifeCloseMany(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	sub := r.subscribe(l, "")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { r.close("link", l) })
		wg.Go(func() { r.close("server", s) })
		wg.Go(func() { _ = sub.Close() })
	}
	wg.Wait()
	r.close("link", l)
	r.close("server", s)
}

func lifeClosedServer(r *transportRig) {
	s := r.serve(transportHandler{})
	r.close("server", s)
	r.is("Publish", s.Publish(r.ctx, sdk.Event{Topic: "t"}), sdk.ErrClosed)
}

func lifePluginClose(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	r.close("plugin", r.here)
	if err := l.Wait(r.ctx); r.ctx.Err() != nil {
		r.Errorf("the link outlived its server's plugin: %v", err)
	}
	r.close("plugin", r.there)
	if _, err := r.there.Transport().Dial(r.ctx, r.client, s.Bound()); err == nil {
		r.Error("Dial succeeded after Close")
	}
}

func lifeSessions(r *transportRig) {
	ids := make(chan string, 1)
	s := r.serve(transportHandler{handle: func(_ context.Context, from sdk.Peer, _ sdk.Message) ([]byte, error) {
		ids <- from.Session
		return nil, nil
	}})
	seen := map[string]bool{}
	for range 20 {
		l := r.dial(s)
		for range 2 {
			if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
				r.Fatal(err)
			}
			seen[transportReceive(r, "session", ids)] = true
		}
	}
	if len(seen) != 20 {
		r.Errorf("20 links had %d session ids", len(seen))
	}
}
