package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var transportCalls = []transportTest{
	{"the answer is the handler's", callAnswer},
	{"the handler sees message and peer", callPeer},
	{"errors come back with their type", callErrors},
	{"a slow call delays no other", callSlow},
	{"one timeout does not fail its neighbours", callTimeout},
	{"a deadline travels", callDeadline},
	{"the message's timeout ends the handle", callMessageTimeout},
	{"giving up cancels the handle", callGiveUp},
	{"an ended context is not executed", callEndedContext},
	{"a thousand at once", callThousand},
	{"too large is refused and the link lives on", callTooLarge},
	{"the caller's slice is its own again", callSlices},
}

func callAnswer(r *transportRig) {
	l := r.dial(r.serve(transportHandler{}))
	for _, size := range []int{0, 1, 200, 64 << 10, 1<<20 + 7, sdk.MaxMessageBytes} {
		body := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
		got, err := l.Call(r.ctx, sdk.Message{Op: "echo", Body: body})
		if err != nil || !bytes.Equal(got, body) {
			r.Fatalf("%d bytes: got %d bytes, %v", size, len(got), err)
		}
	}
}

func callPeer(r *transportRig) {
	type seen struct {
		from sdk.Peer
		m    sdk.Message
	}
	saw := make(chan seen, 1)
	l := r.dial(r.serve(transportHandler{handle: func(_ context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
		m.Body = append([]byte(nil), m.Body...)
		saw <- seen{from, m}
		return nil, nil
	}}))
	want := sdk.Message{Op: strings.Repeat("o", 64), Epoch: 1<<63 + 3, Body: []byte("b")}
	if _, err := l.Call(r.ctx, want); err != nil {
		r.Fatal(err)
	}
	got := transportReceive(r, "handle", saw)
	if got.m.Op != want.Op || got.m.Epoch != want.Epoch || string(got.m.Body) != "b" {
		r.Errorf("message: got %+v, want %+v", got.m, want)
	}
	r.checkPeer(got.from, r.client)
	if got.from.Session == "" {
		r.Error("the session has no id")
	}
	r.checkPeer(l.Server(), r.scope)
}

// checkPeer compares p with the scope s that the other side gave.
func (r *transportRig) checkPeer(p sdk.Peer, s sdk.Scope) {
	r.Helper()
	if p.Scope.Secret != nil {
		r.Error("the peer's secret is shown")
	}
	s.Secret = nil
	if got, want := fmt.Sprintf("%+v", p.Scope), fmt.Sprintf("%+v", s); got != want {
		r.Errorf("scope: got %s, want %s", got, want)
	}
	if p.UID != os.Getuid() && (p.UID != -1 || r.info.Has(sdk.CapPeerIdentity)) {
		r.Errorf("uid %d, we are %d", p.UID, os.Getuid())
	}
}

func callErrors(r *transportRig) {
	var next error
	l := r.dial(r.serve(transportHandler{handle: func(context.Context, sdk.Peer, sdk.Message) ([]byte, error) {
		return nil, next
	}}))
	call := func(err error) error {
		next = err
		_, got := l.Call(r.ctx, sdk.Message{Op: "fail"})
		return got
	}
	for c := sdk.Code(1); sdk.KindOf(c) != nil; c++ {
		got := call(fmt.Errorf("%w: with a text", sdk.KindOf(c)))
		r.is("kind", got, sdk.KindOf(c))
		if got != nil && !strings.Contains(got.Error(), "with a text") {
			r.Errorf("the text is gone: %v", got)
		}
	}
	var (
		held       *sdk.HeldError
		notPrimary *sdk.NotPrimaryError
		unknown    *sdk.OutcomeUnknownError
		sql        *sdk.SQLError
		bus        *sdk.CallError
	)
	if err := call(&sdk.HeldError{What: "w", Holder: sdk.Record{PID: 7, Epoch: 3}}); !errors.As(err, &held) || held.Holder.PID != 7 {
		r.Errorf("HeldError: got %#v", err)
	}
	if err := call(&sdk.NotPrimaryError{Epoch: 4, Endpoints: []sdk.Endpoint{"x:y"}}); !errors.As(err, &notPrimary) || len(notPrimary.Endpoints) != 1 {
		r.Errorf("NotPrimaryError: got %#v", err)
	}
	id := sdk.WriteID{Incarnation: "i", Sequence: 9}
	if err := call(&sdk.OutcomeUnknownError{ID: id, Cause: context.DeadlineExceeded}); !errors.As(err, &unknown) ||
		unknown.ID != id || !errors.Is(err, context.DeadlineExceeded) {
		r.Errorf("OutcomeUnknownError: got %#v", err)
	}
	if err := call(&sdk.SQLError{Extended: 2067, Text: "UNIQUE"}); !errors.As(err, &sql) || sql.Code() != 2067 {
		r.Errorf("SQLError: got %#v", err)
	}
	if err := call(&sdk.CallError{Method: "m", Text: "t"}); !errors.As(err, &bus) || bus.Method != "m" {
		r.Errorf("CallError: got %#v", err)
	}
}

// transportBlocking is a handler whose op "block" waits for its context and then says
// so; other operations echo.
func transportBlocking(begun chan<- string, ended chan<- error) transportHandler {
	return transportHandler{handle: func(ctx context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
		if m.Op != "block" {
			return append([]byte(nil), m.Body...), nil
		}
		begun <- string(m.Body)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}}
}

func callSlow(r *transportRig) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	l := r.dial(r.serve(transportBlocking(begun, ended)))
	ctx, cancel := context.WithCancel(r.ctx)
	slow := make(chan error, 1)
	go func() {
		_, err := l.Call(ctx, sdk.Message{Op: "block"})
		slow <- err
	}()
	transportReceive(r, "the slow call", begun)
	for range 100 {
		if _, err := l.Call(r.ctx, sdk.Message{Op: "echo"}); err != nil {
			r.Fatal(err)
		}
	}
	select {
	case err := <-slow:
		r.Errorf("the slow call ended: %v", err)
	default:
	}
	cancel()
	r.is("cancelled call", transportReceive(r, "end of the slow call", slow), sdk.ErrOutcomeUnknown)
	transportReceive(r, "end of the handle", ended)
}

func callTimeout(r *transportRig) {
	begun, ended := make(chan string, 100), make(chan error, 100)
	l := r.dial(r.serve(transportBlocking(begun, ended)))
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if i%3 == 0 {
				ctx, cancel := context.WithTimeout(r.ctx, time.Duration(i+1)*time.Millisecond)
				defer cancel()
				if _, err := l.Call(ctx, sdk.Message{Op: "block"}); !errors.Is(err, context.DeadlineExceeded) {
					r.Errorf("timed out call: %v", err)
				}
				return
			}
			for n := range 50 {
				body := fmt.Appendf(nil, "%d/%d", i, n)
				if got, err := l.Call(r.ctx, sdk.Message{Op: "echo", Body: body}); err != nil || !bytes.Equal(got, body) {
					r.Errorf("neighbour: got %q, %v, want %q", got, err, body)
				}
			}
		})
	}
	wg.Wait()
	if _, err := l.Call(r.ctx, sdk.Message{Op: "echo"}); err != nil {
		r.Errorf("after the timeouts: %v", err)
	}
}

func callDeadline(r *transportRig) {
	left := make(chan time.Duration, 1)
	gone := make(chan struct{})
	l := r.dial(r.serve(transportHandler{handle: func(ctx context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
		if _, ok := ctx.Deadline(); !ok {
			left <- -1
			return nil, nil
		}
		left <- m.Timeout
		<-ctx.Done()
		close(gone)
		return nil, ctx.Err()
	}}))
	const limit = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	defer cancel()
	_, err := l.Call(ctx, sdk.Message{Op: "wait"})
	r.is("call", err, sdk.ErrOutcomeUnknown)
	r.is("call", err, context.DeadlineExceeded)
	if d := transportReceive(r, "handle", left); d <= 0 || d > limit {
		r.Errorf("the handler was given %v of %v", d, limit)
	}
	transportReceive(r, "end of the handle", gone)
}

func callMessageTimeout(r *transportRig) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	l := r.dial(r.serve(transportBlocking(begun, ended)))
	if _, err := l.Call(r.ctx, sdk.Message{Op: "block", Timeout: 20 * time.Millisecond}); err == nil {
		r.Error("the call succeeded")
	}
	transportReceive(r, "end of the handle", ended)
}

func callGiveUp(r *transportRig) {
	begun, ended := make(chan string, 1), make(chan error, 1)
	l := r.dial(r.serve(transportBlocking(begun, ended)))
	ctx, cancel := context.WithCancel(r.ctx)
	result := make(chan error, 1)
	go func() {
		_, err := l.Call(ctx, sdk.Message{Op: "block"})
		result <- err
	}()
	transportReceive(r, "begin of the handle", begun)
	cancel()
	err := transportReceive(r, "end of the call", result)
	r.is("call", err, sdk.ErrOutcomeUnknown)
	r.is("call", err, context.Canceled)
	transportReceive(r, "end of the handle", ended)
}

func callEndedContext(r *transportRig) {
	var handled atomic.Int32
	l := r.dial(r.serve(transportHandler{handle: func(context.Context, sdk.Peer, sdk.Message) ([]byte, error) {
		handled.Add(1)
		return nil, nil
	}}))
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := l.Call(ctx, sdk.Message{Op: "x"})
	r.is("call", err, sdk.ErrUnavailable)
	if _, err := l.Call(r.ctx, sdk.Message{Op: "y"}); err != nil {
		r.Error(err)
	}
	if n := handled.Load(); n != 1 {
		r.Errorf("handled %d calls, want 1", n)
	}
}

func callThousand(r *transportRig) {
	const n = 1000
	all := make(chan struct{})
	var in atomic.Int32
	l := r.dial(r.serve(transportHandler{handle: func(ctx context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
		if in.Add(1) == n {
			close(all)
		}
		select { // each waits for the others: they must really run at once
		case <-all:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return append([]byte(nil), m.Body...), nil
	}}))
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			body := fmt.Appendf(nil, "call %d", i)
			if got, err := l.Call(r.ctx, sdk.Message{Op: "x", Body: body}); err != nil || !bytes.Equal(got, body) {
				r.Errorf("call %d: got %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func callTooLarge(r *transportRig) {
	large := make([]byte, sdk.MaxMessageBytes+1)
	s := r.serve(transportHandler{handle: func(_ context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
		if m.Op == "large" {
			return large, nil
		}
		return nil, nil
	}})
	l := r.dial(s)
	_, err := l.Call(r.ctx, sdk.Message{Op: "x", Body: large})
	r.is("call", err, sdk.ErrInvalid)
	_, err = l.Call(r.ctx, sdk.Message{Op: strings.Repeat("x", 65)})
	r.is("long operation", err, sdk.ErrInvalid)
	_, err = l.Call(r.ctx, sdk.Message{Op: "large"})
	r.is("answer", err, sdk.ErrInvalid)
	r.is("Link.Publish", l.Publish(r.ctx, sdk.Event{Topic: "t", Body: large}), sdk.ErrInvalid)
	r.is("Server.Publish", s.Publish(r.ctx, sdk.Event{Topic: "t", Body: large}), sdk.ErrInvalid)
	r.is("long topic", s.Publish(r.ctx, sdk.Event{Topic: strings.Repeat("t", 257)}), sdk.ErrInvalid)
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
		r.Errorf("afterwards: %v", err)
	}
}

func callSlices(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	sub, err := l.Subscribe(r.ctx, "t")
	if err != nil {
		r.Fatal(err)
	}
	body := []byte("before")
	if err := s.Publish(r.ctx, sdk.Event{Topic: "t", Body: body}); err != nil {
		r.Fatal(err)
	}
	copy(body, "after!")
	e, err := sub.Next(r.ctx)
	if err != nil || string(e.Body) != "before" {
		r.Errorf("event: got %q, %v", e.Body, err)
	}
}
