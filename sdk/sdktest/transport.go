package sdktest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Transport is the conformance suite of the transport stage. The plugin must also
// serve the ports stage, which gives the endpoints.
func Transport(t *testing.T, p sdk.Plugin) {
	t.Helper()
	info := p.Describe()
	if !info.Serves(sdk.StageTransport) || !info.Serves(sdk.StagePorts) {
		t.Fatalf("%s does not declare both the ports and the transport stage", info.Name)
	}
	for _, group := range []struct {
		name  string
		tests []transportTest
	}{
		{"call", transportCalls},
		{"scope", transportScopes},
		{"event", transportEvents},
		{"life", transportLives},
		{"load", transportLoads},
		{"hostile", transportHostiles},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(newTransportRig(t, p)) })
			}
		})
	}
}

type transportTest struct {
	name string
	run  func(*transportRig)
}

// transportRig is a workspace with two openings of the plugin, as two processes
// would have them.
type transportRig struct {
	*testing.T
	ctx    context.Context // ends long before the test's own limit
	info   sdk.Info
	here   sdk.Running // serves
	there  sdk.Running // dials
	sets   [][]sdk.Endpoint
	scope  sdk.Scope
	client sdk.Scope
}

func newTransportRig(t *testing.T, p sdk.Plugin) *transportRig {
	t.Helper()
	NoLeaks(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r := &transportRig{T: t, ctx: ctx, info: p.Describe()}
	w := transportWorkspace(t)
	r.here, r.there = transportOpen(ctx, t, p, w), transportOpen(ctx, t, p, w)
	sets, err := r.here.Ports().Candidates(ctx, w)
	if err != nil || len(sets) == 0 {
		t.Fatalf("Candidates: %v, %v", sets, err)
	}
	r.sets = sets
	secret := []byte("0123456789abcdef0123456789abcdef")
	r.scope = sdk.Scope{
		Workspace: "ws-" + w.Key, Epoch: 5, Instance: "server", Incarnation: transportRandom(),
		PID: os.Getpid(), Role: sdk.Primary, Secret: secret, Fingerprint: "f1",
	}
	r.client = sdk.Scope{
		Workspace: r.scope.Workspace, Epoch: 5, Instance: "client", Incarnation: transportRandom(),
		PID: os.Getpid(), Role: sdk.Secondary, Secret: secret, Fingerprint: "f2",
	}
	return r
}

func transportOpen(ctx context.Context, t *testing.T, p sdk.Plugin, w sdk.Workspace) sdk.Running {
	t.Helper()
	r, err := p.Open(ctx, sdk.Env{Workspace: w})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("Running.Close: %v", err)
		}
	})
	return r
}

// transportWorkspace makes a workspace that nobody else has.
func transportWorkspace(t *testing.T) sdk.Workspace {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, ".ramet")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	return sdk.Workspace{
		Dir: dir, StateDir: state,
		DataPath: filepath.Join(state, "ramet.db"),
		Key:      transportRandom()[:16],
	}
}

func transportRandom() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// serve serves the first set with h; the test's end closes it.
func (r *transportRig) serve(h sdk.Handler) sdk.Server {
	r.Helper()
	s, err := r.here.Transport().Serve(r.ctx, r.scope, r.sets[0], h)
	if err != nil {
		r.Fatalf("Serve: %v", err)
	}
	if len(s.Bound()) == 0 {
		r.Fatal("Bound is empty")
	}
	r.Cleanup(func() { r.close("server", s) })
	return s
}

// dial opens a link to s; the test's end closes it.
func (r *transportRig) dial(s sdk.Server) sdk.Link {
	r.Helper()
	l, err := r.there.Transport().Dial(r.ctx, r.client, s.Bound())
	if err != nil {
		r.Fatalf("Dial: %v", err)
	}
	r.Cleanup(func() { r.close("link", l) })
	return l
}

func (r *transportRig) close(what string, c interface{ Close(context.Context) error }) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		r.Errorf("close %s: %v", what, err)
	}
}

// is fails the test unless err is want.
func (r *transportRig) is(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// receive returns what comes from c, or fails the test at its deadline.
func transportReceive[T any](r *transportRig, what string, c <-chan T) T {
	r.Helper()
	select {
	case v := <-c:
		return v
	case <-r.ctx.Done():
		r.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// transportHandler is a handler made of functions; nil ones do the least.
type transportHandler struct {
	handle    func(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error)
	published func(from sdk.Peer, e sdk.Event)
	ended     func(from sdk.Peer)
}

// Handle answers with the message's own body by default.
func (h transportHandler) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	if h.handle == nil {
		return append([]byte(nil), m.Body...), nil
	}
	return h.handle(ctx, from, m)
}

func (h transportHandler) Published(_ context.Context, from sdk.Peer, e sdk.Event) {
	if h.published != nil {
		h.published(from, e)
	}
}

func (h transportHandler) Ended(from sdk.Peer) {
	if h.ended != nil {
		h.ended(from)
	}
}
