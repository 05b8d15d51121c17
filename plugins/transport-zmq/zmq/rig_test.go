package zmq

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// rig serves one endpoint.
type rig struct {
	*testing.T
	ctx  context.Context
	run  running
	tr   sdk.Transport
	srv  sdk.Server
	log  *lines
	echo echo
}

var (
	secret      = []byte("0123456789abcdef0123456789abcdef")
	serverScope = sdk.Scope{Workspace: "w", Epoch: 3, Instance: "srv", Secret: secret}
	clientScope = sdk.Scope{Workspace: "w", Instance: "cli", Secret: secret}
)

// lines is a log.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

type echo struct{}

func (echo) Handle(_ context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) { return m.Body, nil }
func (echo) Published(context.Context, sdk.Peer, sdk.Event)                      {}
func (echo) Ended(sdk.Peer)                                                      {}

// newRig serves the first candidate of listen, which is "ipc" or "tcp".
func newRig(t *testing.T, listen string, l stream.Limits) *rig {
	t.Helper()
	sdktest.NoLeaks(t)
	t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, log: &lines{}}
	logger := hclog.New(&hclog.LoggerOptions{Output: r.log, Level: hclog.Warn})
	opened, err := plugin{l}.Open(ctx, sdk.Env{Logger: logger, Options: []byte(`{"listen": "` + listen + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	r.run = opened.(running)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.run.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	r.tr = r.run.Transport()
	sets, err := r.run.Ports().Candidates(ctx, sdk.Workspace{Key: t.Name() + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		r.srv, err = r.tr.Serve(ctx, serverScope, set, r.echo)
		if !errors.Is(err, sdk.ErrHeld) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) link() sdk.Link {
	r.Helper()
	l, err := r.tr.Dial(r.ctx, clientScope, r.srv.Bound())
	if err != nil {
		r.Fatal(err)
	}
	return l
}

func (r *rig) works(l sdk.Link) {
	r.Helper()
	if got, err := l.Call(r.ctx, sdk.Message{Op: "x", Body: []byte("b")}); err != nil || string(got) != "b" {
		r.Fatalf("a good link: got %q, %v", got, err)
	}
}

// raw opens a bare connection that ends with the test.
func (r *rig) raw() stream.Conn {
	r.Helper()
	c, err := connect(r.ctx, r.srv.Bound()[0])
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *rig) write(c net.Conn, b []byte) {
	r.Helper()
	if _, err := c.Write(b); err != nil && !closedByPeer(err) {
		r.Fatal(err)
	}
}

// closedByPeer reports whether the server ended the connection before it had taken
// everything.
func closedByPeer(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe")
}

// met opens a connection on which ZMTP's own handshake is done.
func (r *rig) met() (stream.Conn, *exchange) {
	r.Helper()
	c := r.raw()
	x, err := open(c, zmq4.Dealer, zmq4.Router, secret)
	if err != nil {
		r.Fatal(err)
	}
	return c, x
}

// proved opens a connection that the server takes for a client's.
func (r *rig) proved() (stream.Conn, *codec) {
	r.Helper()
	c := r.raw()
	made, _, err := introduce(c, clientScope, sealed(c))
	if err != nil {
		r.Fatal(err)
	}
	made.Start(func(b []byte) { _, _ = c.Write(b) })
	return c, made.(*codec)
}

// cut waits for the server to end c.
func (r *rig) cut(what string, c net.Conn) {
	r.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		r.Errorf("%s: the connection was not cut", what)
	}
}

// counted waits for a counter to reach n.
func (r *rig) counted(counter string, n uint64) {
	r.Helper()
	for {
		h, err := r.run.WaitHealth(r.ctx, 0)
		if err != nil {
			r.Fatal(err)
		}
		for _, c := range h.Counters {
			if c.Name == counter && c.Count >= n {
				return
			}
		}
		if r.ctx.Err() != nil {
			r.Fatalf("counters are %v, want %s to be %d", h.Counters, counter, n)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// command returns a ZMTP command.
func command(name string, data ...byte) []byte {
	return appendCommand(nil, append(append([]byte{byte(len(name))}, name...), data...))
}

// property returns an entry of READY.
func property(name, value string) []byte {
	b := append([]byte{byte(len(name))}, name...)
	return append(append(b, 0, 0, 0, byte(len(value))), value...)
}

// greeting returns what a client that speaks ZMTP sends first.
func greeting(mechanism string) []byte {
	b := make([]byte, greetingBytes)
	b[0], b[9], b[10] = 0xff, 0x7f, 3
	copy(b[12:], mechanism)
	return b
}

func ready(socket string) []byte { return command("READY", property("Socket-Type", socket)...) }
