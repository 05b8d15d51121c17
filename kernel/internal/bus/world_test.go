package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// world is some instances on the in-memory transport, one of which may be primary.
type world struct {
	*testing.T
	ctx       context.Context // no test should outlive it
	transport sdk.Transport
	nodes     []*node
	epoch     uint64
	server    sdk.Server
	primary   *node
}

// node is an instance's bus with its route, and the kernel's side of its server.
type node struct {
	*Bus
	route *testRoute
	link  sdk.Link // nil: none, or primary
}

func (n *node) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	reply, known, err := n.Message(ctx, from, m)
	if !known {
		return nil, fmt.Errorf("%w: operation %q", sdk.ErrUnsupported, m.Op)
	}
	return reply, err
}

func (*node) Published(context.Context, sdk.Peer, sdk.Event) {}

// testRoute is a route whose primary the test names.
type testRoute struct {
	mu      sync.Mutex // guards what follows
	target  Target
	known   bool
	none    error // of Primary while nobody is known
	changed chan struct{}
}

func (r *testRoute) set(t Target, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Generation = r.target.Generation
	if known {
		t.Generation++
	}
	r.target, r.known = t, known
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *testRoute) Primary(ctx context.Context, after uint64) (Target, error) {
	return r.wait(ctx, after, true)
}

func (r *testRoute) Await(ctx context.Context, after uint64) (Target, error) {
	return r.wait(ctx, after, false)
}

func (r *testRoute) wait(ctx context.Context, after uint64, giveUp bool) (Target, error) {
	for {
		r.mu.Lock()
		t, known, none, changed := r.target, r.known && r.target.Generation > after, r.none, r.changed
		r.mu.Unlock()
		if known {
			return t, nil
		}
		if giveUp && none != nil {
			return Target{}, none
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Target{}, ctx.Err()
		}
	}
}

// newWorld makes count instances; the first is primary, the others are linked to it.
func newWorld(t *testing.T, count int) *world {
	t.Helper()
	sdktest.NoLeaks(t)
	run, err := sdktest.MemTransport().Open(t.Context(), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	w := &world{T: t, ctx: ctx, transport: run.Transport()}
	for i := range count {
		r := &testRoute{changed: make(chan struct{})}
		w.nodes = append(w.nodes, &node{Bus: New(r, fmt.Sprint("incarnation ", i), 10*time.Second), route: r})
	}
	t.Cleanup(func() {
		w.demote()
		for _, n := range w.nodes {
			n.Close()
		}
		if err := run.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
	})
	w.promote(0)
	return w
}

// promote makes nodes[i] primary and links the others to it, whose handlers it knows
// on return.
func (w *world) promote(i int) {
	w.Helper()
	w.epoch++
	w.primary = w.nodes[i]
	at := sdk.Endpoint(fmt.Sprint("mem://", w.epoch))
	var err error
	w.server, err = w.transport.Serve(w.ctx, sdk.Scope{Workspace: "w", Epoch: w.epoch}, []sdk.Endpoint{at}, w.primary)
	if err != nil {
		w.Fatal(err)
	}
	w.primary.Serve(w.server, w.epoch)
	w.primary.route.set(Target{Epoch: w.epoch}, true)
	for _, n := range w.nodes {
		if n != w.primary {
			w.connect(n)
		}
	}
	for w.linked() < len(w.nodes)-1 {
		if w.ctx.Err() != nil {
			w.Fatalf("%d of %d instances are linked", w.linked(), len(w.nodes)-1)
		}
		time.Sleep(time.Millisecond)
	}
}

// linked is how many instances have told the primary which methods they handle.
func (w *world) linked() int {
	x := w.primary.calls
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.peers)
}

func (w *world) connect(n *node) {
	w.Helper()
	l, err := w.transport.Dial(w.ctx, sdk.Scope{Workspace: "w", Epoch: w.epoch, Incarnation: n.self}, w.server.Bound())
	if err != nil {
		w.Fatal(err)
	}
	n.link = l
	n.route.set(Target{Epoch: w.epoch, Link: l}, true)
}

// leave ends one secondary's link.
func (w *world) leave(n *node) {
	w.Helper()
	n.route.set(Target{}, false)
	if err := n.link.Close(w.ctx); err != nil {
		w.Error(err)
	}
	n.link = nil
}

// demote ends the primary's service, as its kernel does.
func (w *world) demote() {
	w.Helper()
	if w.primary == nil {
		return
	}
	for _, n := range w.nodes {
		n.route.set(Target{}, false)
	}
	w.primary.Unserve()
	if err := w.server.Close(w.ctx); err != nil {
		w.Error(err)
	}
	for _, n := range w.nodes {
		if n.link != nil {
			_ = n.link.Close(w.ctx) // it is gone with the server
			n.link = nil
		}
	}
	w.primary = nil
}

func (w *world) subscribe(n *node, prefix string) *Subscription {
	w.Helper()
	s, err := n.Subscribe(w.ctx, prefix)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) next(s *Subscription) Event {
	w.Helper()
	e, err := s.Next(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) publish(n *node, topic, body string) {
	w.Helper()
	if err := n.Publish(w.ctx, topic, []byte(body)); err != nil {
		w.Fatal(err)
	}
}

// handle installs h. The primary knows of it on return, if n is linked.
func (w *world) handle(n *node, method string, h Handler) (stop func()) {
	w.Helper()
	stop, err := n.Bus.Handle(method, h)
	if err != nil {
		w.Fatal(err)
	}
	return stop
}

func (w *world) is(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

func echo(_ context.Context, body []byte) ([]byte, error) { return body, nil }
