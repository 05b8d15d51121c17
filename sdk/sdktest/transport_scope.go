package sdktest

import (
	"context"
	"errors"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

var transportScopes = []transportTest{
	{"another workspace is refused", scopeWorkspace},
	{"a lower epoch is fenced", scopeEpoch},
	{"nobody there is unavailable", scopeNobody},
	{"an ended context ends dial", scopeEndedContext},
	{"the second endpoint is tried", scopeSecondEndpoint},
	{"two servers on one endpoint", scopeTwoServers},
	{"of many servers at once one is bound", scopeRace},
	{"a restart takes the same endpoint", scopeRestart},
	{"the next candidate is free", scopeNextCandidate},
}

func scopeWorkspace(r *transportRig) {
	s := r.serve(transportHandler{})
	other := r.client
	other.Workspace = "ws-other"
	_, err := r.there.Transport().Dial(r.ctx, other, s.Bound())
	r.is("Dial", err, sdk.ErrInvalid)
	r.dial(s)
}

func scopeEpoch(r *transportRig) {
	s := r.serve(transportHandler{})
	for epoch, want := range map[uint64]error{0: nil, 4: nil, 5: nil, 6: sdk.ErrFenced} {
		scope := r.client
		scope.Epoch = epoch
		l, err := r.there.Transport().Dial(r.ctx, scope, s.Bound())
		if !errors.Is(err, want) {
			r.Errorf("client wants epoch %d of 5: got %v, want %v", epoch, err, want)
		}
		if err == nil {
			r.close("link", l)
		}
	}
}

func scopeNobody(r *transportRig) {
	_, err := r.there.Transport().Dial(r.ctx, r.client, r.sets[0])
	r.is("never served", err, sdk.ErrUnavailable)
	s := r.serve(transportHandler{})
	r.close("server", s)
	_, err = r.there.Transport().Dial(r.ctx, r.client, s.Bound())
	r.is("closed", err, sdk.ErrUnavailable)
}

func scopeEndedContext(r *transportRig) {
	s := r.serve(transportHandler{})
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if l, err := r.there.Transport().Dial(ctx, r.client, s.Bound()); err == nil {
		r.Error("Dial succeeded with an ended context")
		r.close("link", l)
	}
}

func scopeSecondEndpoint(r *transportRig) {
	if len(r.sets) < 2 {
		return // one candidate is a right answer of ports
	}
	s := r.serve(transportHandler{})
	l, err := r.there.Transport().Dial(r.ctx, r.client, append(append([]sdk.Endpoint(nil), r.sets[1]...), s.Bound()...))
	if err != nil {
		r.Fatalf("Dial: %v", err)
	}
	r.close("link", l)
}

func scopeTwoServers(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	for _, running := range []sdk.Running{r.here, r.there} {
		_, err := running.Transport().Serve(r.ctx, r.scope, s.Bound(), transportHandler{})
		var held *sdk.HeldError
		if !errors.As(err, &held) {
			r.Errorf("second server: got %v, want a HeldError", err)
		}
	}
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
		r.Errorf("the first server's link: %v", err)
	}
	r.dial(s)
}

func scopeRace(r *transportRig) {
	var mu sync.Mutex
	var won []sdk.Server
	var wg sync.WaitGroup
	for i := range 8 {
		running := []sdk.Running{r.here, r.there}[i%2]
		wg.Go(func() {
			s, err := running.Transport().Serve(r.ctx, r.scope, r.sets[0], transportHandler{})
			if err != nil {
				r.is("loser", err, sdk.ErrHeld)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won = append(won, s)
		})
	}
	wg.Wait()
	if len(won) != 1 {
		r.Errorf("%d servers are bound, want 1", len(won))
	}
	for _, s := range won {
		r.dial(s)
		r.close("server", s)
	}
}

func scopeRestart(r *transportRig) {
	for range 5 {
		s := r.serve(transportHandler{})
		l := r.dial(s)
		if got := l.Server().Scope.Epoch; got != r.scope.Epoch {
			r.Errorf("linked to epoch %d, want %d", got, r.scope.Epoch)
		}
		if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
			r.Fatal(err)
		}
		r.close("server", s)
		r.scope.Epoch++
	}
}

func scopeNextCandidate(r *transportRig) {
	if len(r.sets) < 2 {
		return // one candidate is a right answer of ports
	}
	r.serve(transportHandler{})
	s, err := r.here.Transport().Serve(r.ctx, r.scope, r.sets[1], transportHandler{})
	if err != nil {
		r.Fatalf("Serve on the next candidate: %v", err)
	}
	r.dial(s)
	r.close("server", s)
}
