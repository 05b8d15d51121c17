package systest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func subscribe(t *testing.T, i *kernel.Instance, prefix string) *kernel.Subscription {
	t.Helper()
	s, err := i.Bus().Subscribe(within(t), prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, i *kernel.Instance, topic, body string) {
	t.Helper()
	if err := i.Bus().Publish(within(t), topic, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func nextEvent(t *testing.T, s *kernel.Subscription) kernel.Event {
	t.Helper()
	e, err := s.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func handle(t *testing.T, i *kernel.Instance, method string, h kernel.Handler) (stop func()) {
	t.Helper()
	stop, err := i.Bus().Handle(method, h)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

// TestPublishReachesEverybodyInOrder: every instance, the publisher too, from
// either role, by prefix.
func TestPublishReachesEverybodyInOrder(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	all := []*kernel.Instance{boot(t, dir, named("a")), boot(t, dir, named("b")), boot(t, dir, named("c"))}
	var subs, every []*kernel.Subscription
	for _, i := range all {
		subs = append(subs, subscribe(t, i, "chat/"))
		every = append(every, subscribe(t, i, ""))
	}
	const each = 50
	for n := range each {
		for _, i := range all {
			publish(t, i, "other", "x")
			publish(t, i, "chat/1", fmt.Sprint(n))
		}
	}
	var first []string
	for n, s := range subs {
		var got []string
		last := map[string]int{}
		for range each * len(all) {
			e := nextEvent(t, s)
			if e.Topic != "chat/1" || e.Epoch != 1 || e.Lost != 0 || e.Gap {
				t.Fatalf("event %+v", e)
			}
			if want := fmt.Sprint(last[e.From]); string(e.Body) != want {
				t.Fatalf("%s sent %s, want %s", e.From, e.Body, want)
			}
			last[e.From]++
			got = append(got, e.From+string(e.Body))
		}
		if first == nil {
			first = got
		}
		for k := range got {
			if got[k] != first[k] {
				t.Fatalf("subscriber %d saw %s where the first saw %s", n, got[k], first[k])
			}
		}
	}
	for _, s := range every {
		for range 2 * each * len(all) {
			nextEvent(t, s)
		}
	}
}

// TestSubscriptionsNeverReopenedAfterFailover: they were not, in the system ramet
// replaces. Here subscriptions and handlers go on, and the first event says that
// some may be missing.
func TestSubscriptionsNeverReopenedAfterFailover(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir, named("a")), boot(t, dir, named("b")), boot(t, dir, named("c"))
	subs := map[*kernel.Instance]*kernel.Subscription{b: subscribe(t, b, "x"), c: subscribe(t, c, "x")}
	for _, i := range []*kernel.Instance{b, c} {
		handle(t, i, "who/"+i.ID(), func(context.Context, []byte) ([]byte, error) { return []byte(i.ID()), nil })
	}
	publish(t, a, "x", "before")
	for _, s := range subs {
		if e := nextEvent(t, s); string(e.Body) != "before" || e.Gap {
			t.Errorf("event %+v", e)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []*kernel.Instance{b, c} {
		for _, to := range []string{"b", "c"} {
			if got, err := from.Bus().Call(within(t), "who/"+to, nil); err != nil || string(got) != to {
				t.Errorf("%s calls %s: %q, %v", from.ID(), to, got, err)
			}
		}
	}
	// A subscription is effective again when its instance is linked; until then
	// events are lost, which Gap says.
	for i, s := range subs {
		gap := false
		for n := 0; ; n++ {
			publish(t, i, "x", "after")
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			e, err := s.Next(ctx)
			cancel()
			if err == nil {
				gap = e.Gap
				break
			}
			if n == 100 {
				t.Fatalf("%s: nothing arrives after the failover", i.ID())
			}
		}
		if !gap {
			t.Errorf("%s: the first event after the failover has no Gap", i.ID())
		}
	}
}

// TestKindsOfCallFailure: unknown method, no responder, timeout and the handler's
// own error are told apart, whoever calls whom.
func TestKindsOfCallFailure(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir, named("a")), boot(t, dir, named("b")), boot(t, dir, named("c"))
	for _, host := range []*kernel.Instance{a, b} {
		at := host.ID() + "/"
		handle(t, host, at+"echo", func(_ context.Context, body []byte) ([]byte, error) { return body, nil })
		handle(t, host, at+"plain", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no tea") })
		handle(t, host, at+"kind", func(context.Context, []byte) ([]byte, error) { return nil, fmt.Errorf("%w: tea", sdk.ErrReadOnly) })
		handle(t, host, at+"sql", func(context.Context, []byte) ([]byte, error) {
			return nil, &sdk.SQLError{Extended: 2067, Text: "twice"}
		})
		handle(t, host, at+"slow", func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			<-t.Context().Done() // no answer that could race with the caller's deadline
			return nil, ctx.Err()
		})
		for _, from := range []*kernel.Instance{a, b, c} {
			failures(t, from, at)
		}
	}
}

func failures(t *testing.T, from *kernel.Instance, at string) {
	t.Helper()
	call := func(method string) ([]byte, error) { return from.Bus().Call(within(t), method, []byte("body")) }
	if got, err := call(at + "echo"); err != nil || string(got) != "body" {
		t.Errorf("%s: %secho: %q, %v", from.ID(), at, got, err)
	}
	var ce *sdk.CallError
	if _, err := call(at + "plain"); !errors.As(err, &ce) || ce.Text != "no tea" || ce.Method != at+"plain" || sdk.CodeOf(err) != 0 {
		t.Errorf("%s: %splain: %v, want a CallError", from.ID(), at, err)
	}
	if _, err := call(at + "kind"); !errors.Is(err, sdk.ErrReadOnly) {
		t.Errorf("%s: %skind: %v, want ErrReadOnly", from.ID(), at, err)
	}
	var se *sdk.SQLError
	if _, err := call(at + "sql"); !errors.As(err, &se) || se.Code() != 2067 {
		t.Errorf("%s: %ssql: %v, want an SQLError", from.ID(), at, err)
	}
	if _, err := call(at + "none"); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("%s: unknown method: %v, want ErrUnsupported", from.ID(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := from.Bus().Call(ctx, at+"slow", nil)
	if !errors.Is(err, sdk.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %sslow: %v, want unknown by deadline", from.ID(), at, err)
	}
}

// TestOneTimeoutFailsTheNeighbours: it did. A slow call delays none beside it.
func TestOneTimeoutFailsTheNeighbours(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	for _, hosts := range [][2]*kernel.Instance{{a, b}, {b, a}} {
		host, from := hosts[0], hosts[1]
		began, free := make(chan struct{}, 1), make(chan struct{})
		stop := handle(t, host, "slow", func(ctx context.Context, _ []byte) ([]byte, error) {
			began <- struct{}{}
			select {
			case <-free:
			case <-ctx.Done():
			}
			return nil, nil
		})
		stopFast := handle(t, host, "fast", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
		slow := make(chan error, 1)
		go func() {
			_, err := from.Bus().Call(within(t), "slow", nil)
			slow <- err
		}()
		<-began
		for range 100 {
			if _, err := from.Bus().Call(within(t), "fast", nil); err != nil {
				t.Fatal(err)
			}
		}
		close(free)
		if err := <-slow; err != nil {
			t.Error(err)
		}
		stop()
		stopFast()
		if _, err := from.Bus().Call(within(t), "fast", nil); !errors.Is(err, sdk.ErrUnsupported) {
			t.Errorf("after stop: %v, want ErrUnsupported", err)
		}
	}
}

// TestDeadlineTravels: the handler sees the caller's deadline, or less, and learns
// when the caller gave up.
func TestDeadlineTravels(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	all := []*kernel.Instance{boot(t, dir), boot(t, dir), boot(t, dir)}
	for _, host := range all {
		ended, gaveUp := make(chan struct{}, len(all)), make(chan struct{}, len(all))
		stop := handle(t, host, "left", func(ctx context.Context, body []byte) ([]byte, error) {
			d, ok := ctx.Deadline()
			if !ok {
				return nil, errors.New("no deadline")
			}
			if string(body) == "wait" {
				<-ctx.Done()
				ended <- struct{}{}
				<-gaveUp // no answer that could race with the caller's deadline
			}
			return binary.AppendVarint(nil, int64(time.Until(d))), nil
		})
		for _, from := range all {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			got, err := from.Bus().Call(ctx, "left", nil)
			if d, _ := binary.Varint(got); err != nil || time.Duration(d) > time.Hour || time.Duration(d) < 59*time.Minute {
				t.Errorf("%v left of an hour, %v", time.Duration(d), err)
			}
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
			if _, err := from.Bus().Call(ctx, "left", []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want the deadline", err)
			}
			gaveUp <- struct{}{}
			cancel()
			select {
			case <-ended:
			case <-within(t).Done():
				t.Error("the handler never learned that its caller gave up")
			}
		}
		stop()
	}
}

// TestBusRefusesWhatIsTooLarge before it is sent.
func TestBusRefusesWhatIsTooLarge(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	big, topic := make([]byte, sdk.MaxMessageBytes+1), string(make([]byte, 300))
	for _, i := range []*kernel.Instance{boot(t, dir), boot(t, dir)} {
		_, call := i.Bus().Call(within(t), "m", big)
		_, name := i.Bus().Call(within(t), topic, nil)
		_, sub := i.Bus().Subscribe(within(t), topic)
		_, empty := i.Bus().Handle("", nil)
		for what, err := range map[string]error{"publish": i.Bus().Publish(within(t), "x", big),
			"topic": i.Bus().Publish(within(t), topic, nil), "call": call, "method": name, "prefix": sub, "handle": empty} {
			if !errors.Is(err, sdk.ErrInvalid) {
				t.Errorf("%s: %s: %v, want ErrInvalid", i.Role(), what, err)
			}
		}
		publish(t, i, "x", string(make([]byte, sdk.MaxMessageBytes-2048)))
	}
}
