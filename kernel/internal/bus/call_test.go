package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func TestCallFromAndToEveryRole(t *testing.T) {
	w := newWorld(t, 3)
	for host, n := range w.nodes {
		method := fmt.Sprint("echo", host)
		stop := w.handle(n, method, echo)
		for from, m := range w.nodes {
			got, err := m.Call(w.ctx, method, []byte("body"))
			if err != nil || string(got) != "body" {
				t.Errorf("%d calls %d: %q, %v", from, host, got, err)
			}
		}
		_, err := n.Bus.Handle(method, echo)
		w.is("handled twice", err, sdk.ErrInvalid)
		stop()
		stop()
		for _, m := range w.nodes {
			_, err := m.Call(w.ctx, method, nil)
			w.is("after stop", err, sdk.ErrUnsupported)
		}
	}
}

func TestCallsGoRound(t *testing.T) {
	w := newWorld(t, 4)
	for i, n := range w.nodes[1:] {
		w.handle(n, "who", func(context.Context, []byte) ([]byte, error) { return []byte{byte(i)}, nil })
	}
	seen := map[byte]int{}
	for range 30 {
		got, err := w.nodes[0].Call(w.ctx, "who", nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[got[0]]++
	}
	if len(seen) != 3 || seen[0] != 10 || seen[1] != 10 {
		t.Errorf("30 calls went %v", seen)
	}
}

func TestHandlersErrorKeepsItsType(t *testing.T) {
	w := newWorld(t, 3)
	for host, n := range w.nodes {
		for name, err := range map[string]error{"plain": errors.New("no tea"), "kind": fmt.Errorf("%w: tea", sdk.ErrReadOnly),
			"sql": &sdk.SQLError{Extended: 2067, Text: "twice"}, "call": &sdk.CallError{Method: "inner", Text: "deep"}} {
			w.handle(n, fmt.Sprint(name, host), func(context.Context, []byte) ([]byte, error) { return nil, err })
		}
		for _, from := range w.nodes {
			var call *sdk.CallError
			if _, err := from.Call(w.ctx, fmt.Sprint("plain", host), nil); !errors.As(err, &call) || call.Text != "no tea" || call.Method != fmt.Sprint("plain", host) {
				t.Errorf("plain: %v", err)
			}
			if _, err := from.Call(w.ctx, fmt.Sprint("call", host), nil); !errors.As(err, &call) || call.Text != "deep" || call.Method != "inner" {
				t.Errorf("call: %v", err)
			}
			_, err := from.Call(w.ctx, fmt.Sprint("kind", host), nil)
			w.is("kind", err, sdk.ErrReadOnly)
			var sql *sdk.SQLError
			if _, err := from.Call(w.ctx, fmt.Sprint("sql", host), nil); !errors.As(err, &sql) || sql.Code() != 2067 {
				t.Errorf("sql: %v", err)
			}
		}
	}
}

func TestUnknownMethod(t *testing.T) {
	w := newWorld(t, 2)
	for _, n := range w.nodes {
		_, err := n.Call(w.ctx, "none", nil)
		w.is("unknown method", err, sdk.ErrUnsupported)
	}
}

// TestNewPrimaryWaitsForHandlersOnTheirWay: right after a failover a method is not
// unknown only because its instance has not linked yet.
func TestNewPrimaryWaitsForHandlersOnTheirWay(t *testing.T) {
	w := newWorld(t, 2)
	w.leave(w.nodes[1])
	w.handle(w.nodes[1], "echo", echo)
	w.primary.calls.mu.Lock()
	w.primary.calls.since = time.Now().Add(time.Hour) // however slow this machine is
	w.primary.calls.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := w.nodes[0].Call(w.ctx, "echo", nil)
		done <- err
	}()
	w.connect(w.nodes[1])
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestTimeoutIsUnknown: the handler is told, and nobody waits for one that ignores it.
func TestTimeoutIsUnknown(t *testing.T) {
	w := newWorld(t, 3)
	for host, n := range w.nodes {
		method := fmt.Sprint("slow", host)
		began, told, free := make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{})
		stop := w.handle(n, method, func(ctx context.Context, _ []byte) ([]byte, error) {
			began <- struct{}{}
			<-ctx.Done()
			told <- struct{}{}
			<-free
			return nil, nil
		})
		for from, m := range w.nodes {
			for wait := 10 * time.Millisecond; len(began) == 0; wait *= 2 { // until it is enough to reach the handler
				ctx, cancel := context.WithTimeout(w.ctx, wait)
				_, err := m.Call(ctx, method, nil)
				cancel()
				w.is("timeout", err, sdk.ErrOutcomeUnknown)
				w.is("timeout", err, context.DeadlineExceeded)
			}
			<-began
			select {
			case <-told:
			case <-w.ctx.Done():
				t.Fatalf("the handler on node %d was not told that the call of node %d ended", host, from)
			}
		}
		close(free)
		stop()
	}
}

// TestCallerThatGivesUpIsTold to the handler, long before the call's deadline.
func TestCallerThatGivesUpIsTold(t *testing.T) {
	w := newWorld(t, 3)
	for host, n := range w.nodes {
		began, told := make(chan struct{}), make(chan error, 1)
		method := fmt.Sprint("wait", host)
		w.handle(n, method, func(ctx context.Context, _ []byte) ([]byte, error) {
			close(began)
			<-ctx.Done()
			told <- ctx.Err()
			return nil, nil
		})
		ctx, cancel := context.WithTimeout(w.ctx, time.Hour)
		done := make(chan error, 1)
		go func() {
			_, err := w.nodes[(host+2)%3].Call(ctx, method, nil)
			done <- err
		}()
		<-began
		cancel()
		w.is("the caller", <-done, sdk.ErrOutcomeUnknown)
		select {
		case err := <-told:
			w.is("the handler's context", err, context.Canceled)
		case <-w.ctx.Done():
			t.Fatalf("the handler on node %d was not told", host)
		}
	}
}

// TestBusyInstanceBounds: it runs so many calls at once, so many wait, the next one
// is refused; one whose caller gave up while it waited is never run, and one that
// waited gets only what is left of its deadline.
func TestBusyInstanceBounds(t *testing.T) {
	w := newWorld(t, 2)
	free := make(chan struct{})
	var mu sync.Mutex
	ran := map[string]int{}
	var left time.Duration
	w.handle(w.nodes[1], "busy", func(ctx context.Context, body []byte) ([]byte, error) {
		mu.Lock()
		ran[string(body)]++
		if string(body) == "last" {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
		}
		mu.Unlock()
		if string(body) == "fill" {
			<-free
		}
		return nil, nil
	})
	var calls sync.WaitGroup
	call := func(ctx context.Context, body string, want error) {
		calls.Go(func() {
			if _, err := w.nodes[0].Call(ctx, "busy", []byte(body)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", body, err, want)
			}
		})
	}
	for range parallel {
		call(w.ctx, "fill", nil)
	}
	w.until(func(taken, waiting int) bool { return taken == parallel && waiting == 0 })
	long, cancelLong := context.WithTimeout(context.Background(), time.Hour)
	defer cancelLong()
	impatient, giveUp := context.WithCancel(long)
	for range pending - 1 {
		call(impatient, "abandoned", sdk.ErrOutcomeUnknown)
	}
	call(long, "last", nil)
	w.until(func(taken, waiting int) bool { return taken == parallel && waiting == pending })
	_, err := w.nodes[0].Call(w.ctx, "busy", []byte("refused"))
	w.is("one call too many", err, sdk.ErrUnavailable)
	giveUp()
	w.until(func(taken, waiting int) bool { return taken == parallel && waiting == 1 })
	w.age(time.Minute) // as if it had waited so long
	close(free)
	calls.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(ran) != 2 || ran["fill"] != parallel || ran["last"] != 1 {
		t.Errorf("these ran: %v", ran)
	}
	if left <= 0 || left > 59*time.Minute {
		t.Errorf("the call that waited had %v left of an hour less a minute", left)
	}
}

// responder returns the primary's view of the only instance that handles methods.
// The exchange's mu is held.
func (w *world) responderLocked() *responder {
	for _, r := range w.primary.calls.peers {
		return r
	}
	return &responder{}
}

// until waits for how many calls the only responder has taken, and how many wait.
func (w *world) until(ok func(taken, waiting int) bool) {
	w.Helper()
	x := w.primary.calls
	for {
		x.mu.Lock()
		r := w.responderLocked()
		taken, waiting := len(r.taken), len(r.queue)
		x.mu.Unlock()
		if ok(taken, waiting) {
			return
		}
		if w.ctx.Err() != nil {
			w.Fatalf("%d taken, %d waiting", taken, waiting)
		}
		time.Sleep(time.Millisecond)
	}
}

// age moves the deadlines of the waiting calls.
func (w *world) age(by time.Duration) {
	x := w.primary.calls
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range w.responderLocked().queue {
		c.deadline = c.deadline.Add(-by)
	}
}

// TestSessionEnd: a call that the instance had taken may have been executed; one
// that waited for it was not.
func TestSessionEnd(t *testing.T) {
	w := newWorld(t, 2)
	w.handle(w.nodes[1], "hang", func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done() // ends with the link
		return nil, ctx.Err()
	})
	results := make(chan error, parallel+3)
	for range parallel + 3 {
		go func() {
			_, err := w.nodes[0].Call(w.ctx, "hang", nil)
			results <- err
		}()
	}
	w.until(func(taken, waiting int) bool { return taken == parallel && waiting == 3 })
	w.leave(w.nodes[1])
	unknown, never := 0, 0
	for range parallel + 3 {
		switch err := <-results; {
		case errors.Is(err, sdk.ErrOutcomeUnknown):
			unknown++
		case errors.Is(err, sdk.ErrUnavailable):
			never++
		default:
			t.Errorf("%v", err)
		}
	}
	if unknown != parallel || never != 3 {
		t.Errorf("%d unknown and %d not executed, want %d and 3", unknown, never, parallel)
	}
	_, err := w.nodes[0].Call(w.ctx, "hang", nil)
	w.is("nobody handles it any more", err, sdk.ErrUnsupported)
}

// TestRoleChangeMovesCalls: handlers are known to the next primary, a call in flight
// at the old one is unknown, and one that was never taken goes to the next.
func TestRoleChangeMovesCalls(t *testing.T) {
	w := newWorld(t, 3)
	for i, n := range w.nodes {
		w.handle(n, fmt.Sprint("echo", i), echo)
	}
	began := make(chan struct{})
	w.handle(w.nodes[2], "hang", func(ctx context.Context, _ []byte) ([]byte, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	hung := make(chan error, 1)
	go func() {
		_, err := w.nodes[0].Call(w.ctx, "hang", nil)
		hung <- err
	}()
	<-began
	w.demote()
	w.is("the call in flight", <-hung, sdk.ErrOutcomeUnknown)
	waits := make(chan error, 1)
	go func() {
		_, err := w.nodes[0].Call(w.ctx, "echo2", nil)
		waits <- err
	}()
	for _, primary := range []int{1, 2, 0} {
		w.promote(primary)
		for host := range w.nodes {
			for from, n := range w.nodes {
				if _, err := n.Call(w.ctx, fmt.Sprint("echo", host), nil); err != nil {
					t.Errorf("primary %d: %d calls %d: %v", primary, from, host, err)
				}
			}
		}
		w.demote()
	}
	if err := <-waits; err != nil {
		t.Errorf("the call made while there was no primary: %v", err)
	}
}

func TestReplyTooLarge(t *testing.T) {
	w := newWorld(t, 2)
	w.handle(w.nodes[1], "big", func(context.Context, []byte) ([]byte, error) { return make([]byte, sdk.MaxMessageBytes), nil })
	_, err := w.nodes[0].Call(w.ctx, "big", nil)
	w.is("a reply that does not fit", err, sdk.ErrInvalid)
	w.handle(w.nodes[1], "after", echo)
	if _, err := w.nodes[0].Call(w.ctx, "after", nil); err != nil {
		t.Errorf("the link after it: %v", err)
	}
}

func TestCallOfAClosedBus(t *testing.T) {
	w := newWorld(t, 2)
	w.handle(w.nodes[0], "echo", echo)
	w.nodes[0].Close()
	_, err := w.nodes[0].Call(w.ctx, "echo", nil)
	w.is("a call after Close", err, sdk.ErrClosed)
}
