package unix

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// rig is a served socket.
type rig struct {
	*testing.T
	ctx  context.Context
	tr   sdk.Transport
	srv  sdk.Server
	path string
}

var (
	serverScope = sdk.Scope{Workspace: "w", Epoch: 3, Instance: "srv"}
	clientScope = sdk.Scope{Workspace: "w", Instance: "cli"}
)

func newRig(t *testing.T, l stream.Limits, h sdk.Handler) *rig {
	t.Helper()
	sdktest.NoLeaks(t)
	r := &rig{T: t, ctx: testCtx(t), tr: openAt(t, l).Transport(), path: filepath.Join(privateDir(t), "s0")}
	srv, err := r.tr.Serve(r.ctx, serverScope, []sdk.Endpoint{sockfile.Endpoint(Scheme, r.path)}, h)
	if err != nil {
		t.Fatal(err)
	}
	r.srv = srv
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
func (r *rig) raw() *net.UnixConn {
	r.Helper()
	c, err := sockfile.Connect(r.ctx, r.path)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.Fatal(err)
	}
	return c
}

// proved opens a bare connection that has passed the handshake.
func (r *rig) proved() *net.UnixConn {
	r.Helper()
	c := r.raw()
	if _, err := introduce(c, clientScope); err != nil {
		r.Fatal(err)
	}
	return c
}

// cut waits for the server to end c.
func (r *rig) cut(what string, c net.Conn) {
	r.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		r.Errorf("%s: the connection was not cut", what)
	}
}

// frame returns a frame as it goes onto the socket.
func frame(kind byte, payload []byte) []byte { return codec{}.Append(nil, kind, 1, nil, payload) }

func TestGarbageEndsOneLinkOnly(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	good := r.link()
	short := binary.BigEndian.AppendUint32(nil, 3)
	oversized := binary.BigEndian.AppendUint32(nil, maxFrame+1)
	for name, garbage := range map[string][]byte{
		"noise":          bytes.Repeat([]byte{0xff}, 100),
		"oversized":      append(oversized, make([]byte, 20)...),
		"too short":      append(short, make([]byte, 20)...),
		"unknown kind":   frame(77, nil),
		"damaged call":   frame(stream.KindCall, []byte("x")),
		"long operation": frame(stream.KindCall, append(make([]byte, 16), append([]byte{200}, make([]byte, 200)...)...)),
		"damaged event":  frame(stream.KindPublish, bytes.Repeat([]byte{0xff}, 40)),
		"long prefix":    frame(stream.KindSubscribe, make([]byte, 300)),
	} {
		c := r.proved()
		if _, err := c.Write(garbage); err != nil {
			t.Fatal(err)
		}
		r.cut(name, c)
		r.works(good)
	}
}

func TestHalfFrameThenSilenceDelaysNobody(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	if _, err := r.proved().Write(frame(stream.KindCall, make([]byte, 1000))[:headerBytes]); err != nil {
		t.Fatal(err)
	}
	r.works(r.link())
}

func TestWrongMagicIsCut(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	c := r.raw()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	r.cut("http client", c)
	r.works(r.link())
}

// The old implementation read its handshake in the accept loop.
func TestSilentConnectionsBlockNobody(t *testing.T) {
	l := stream.DefaultLimits()
	l.Handshake = 300 * time.Millisecond
	r := newRig(t, l, echo{})
	var silent []net.Conn
	for range l.Unproved + 40 {
		silent = append(silent, r.raw())
	}
	r.works(r.link())
	for _, c := range silent {
		r.cut("silent", c)
	}
}

func TestOtherVersionIsIncompatible(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	c := r.raw()
	hello := appendHello(nil, stream.AppendScope(nil, clientScope))
	binary.BigEndian.PutUint16(hello[8:], version+1)
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	payload, err := readHello(c)
	if err != nil || !errors.Is(refusal(binary.BigEndian.Uint32(payload), string(payload[4:])), sdk.ErrIncompatible) {
		t.Errorf("got %q, %v", payload, err)
	}
	if _, err := readHello(bytes.NewReader(hello)); !errors.Is(err, sdk.ErrIncompatible) {
		t.Errorf("client side: %v", err)
	}
}

// stranger listens on path as another program would.
func stranger(t *testing.T, path string, serve func(net.Conn)) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
}

func TestForeignProgramOnThePathIsHeld(t *testing.T) {
	sdktest.NoLeaks(t)
	ctx, tr := testCtx(t), openAt(t, stream.DefaultLimits()).Transport()
	dir := privateDir(t)
	talker, silent := filepath.Join(dir, "talker"), filepath.Join(dir, "silent")
	stranger(t, talker, func(c net.Conn) {
		_, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n"))
		_ = c.Close()
	})
	stranger(t, silent, func(c net.Conn) { t.Cleanup(func() { _ = c.Close() }) })
	for path, want := range map[string]error{talker: sdk.ErrIncompatible, silent: sdk.ErrUnavailable} {
		at := []sdk.Endpoint{sockfile.Endpoint(Scheme, path)}
		if _, err := tr.Serve(ctx, serverScope, at, echo{}); !errors.Is(err, sdk.ErrHeld) {
			t.Errorf("Serve on %s: %v", path, err)
		}
		brief, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		if _, err := tr.Dial(brief, clientScope, at); !errors.Is(err, want) {
			t.Errorf("Dial %s: got %v, want %v", path, err, want)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the stranger's socket is gone: %v", err)
		}
	}
}

func TestHeldNamesTheHolder(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	_, err := r.tr.Serve(r.ctx, serverScope, r.srv.Bound(), echo{})
	var held *sdk.HeldError
	if !errors.As(err, &held) || held.Holder.Instance != "srv" || held.Holder.Epoch != 3 {
		t.Errorf("got %v", err)
	}
}

type funcs struct {
	echo
	handle func(ctx context.Context) ([]byte, error)
}

func (f funcs) Handle(ctx context.Context, _ sdk.Peer, _ sdk.Message) ([]byte, error) {
	return f.handle(ctx)
}

func TestPeerThatDoesNotReadIsCutAndDelaysNobody(t *testing.T) {
	l := stream.DefaultLimits()
	l.Stall = 300 * time.Millisecond
	r := newRig(t, l, echo{})
	good := r.link()
	c := r.proved()
	if _, err := c.Write(frame(stream.KindCall, make([]byte, 8<<20))); err != nil {
		t.Fatal(err)
	}
	for r.srv.(*stream.Server).Sessions() > 1 { // until the stalled one is cut; the context bounds it
		r.works(good)
	}
}

func TestCallsBeyondTheBoundAreRefusedAsNotExecuted(t *testing.T) {
	l := stream.DefaultLimits()
	l.Handles = 2
	begun, release := make(chan struct{}, 2), make(chan struct{})
	r := newRig(t, l, funcs{handle: func(context.Context) ([]byte, error) {
		begun <- struct{}{}
		<-release
		return nil, nil
	}})
	link := r.link()
	result := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := link.Call(r.ctx, sdk.Message{})
			result <- err
		}()
		<-begun
	}
	if _, err := link.Call(r.ctx, sdk.Message{}); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("third call: %v", err)
	}
	close(release)
	for range 2 {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
}

func TestCloseIsBoundedByAStuckHandle(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, stream.DefaultLimits(), funcs{handle: func(context.Context) ([]byte, error) {
		close(begun)
		<-release
		return nil, nil
	}})
	l := r.link()
	result := make(chan error, 1)
	go func() {
		_, err := l.Call(r.ctx, sdk.Message{})
		result <- err
	}()
	<-begun
	brief, cancel := context.WithTimeout(r.ctx, 30*time.Millisecond)
	defer cancel()
	if err := r.srv.Close(brief); !errors.Is(err, sdk.ErrUnclean) {
		t.Errorf("Close: %v", err)
	}
	if err := <-result; !errors.Is(err, sdk.ErrOutcomeUnknown) {
		t.Errorf("the stuck call: %v", err)
	}
	if err := l.Wait(r.ctx); err != nil {
		t.Errorf("Wait: %v", err)
	}
	close(release)
	if err := r.srv.Close(r.ctx); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestLongPathsWork(t *testing.T) {
	dir := filepath.Join(privateDir(t), strings.Repeat("long-", 30), strings.Repeat("path-", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	ctx, run := testCtx(t), openAt(t, stream.DefaultLimits())
	sets, err := run.Ports().Candidates(ctx, sdk.Workspace{Key: "k"})
	if err != nil || len(sets) != 3 || !strings.Contains(string(sets[0][0]), dir) {
		t.Fatal(sets, err)
	}
	for range 2 { // the second replaces nothing and binds again
		srv, err := run.Transport().Serve(ctx, serverScope, sets[0], echo{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := run.Transport().Dial(ctx, clientScope, srv.Bound())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Close(ctx), srv.Close(ctx)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServerClosedWhileProvingSaysGoodbye closes the server as soon as a link
// believes that it stands, which may be before the server knows of it.
func TestServerClosedWhileProvingSaysGoodbye(t *testing.T) {
	sdktest.NoLeaks(t)
	tr := openAt(t, stream.DefaultLimits()).Transport()
	for round := range 300 {
		at := []sdk.Endpoint{sockfile.Endpoint(Scheme, filepath.Join(privateDir(t), "s0"))}
		s, err := tr.Serve(testCtx(t), sdk.Scope{Workspace: "w"}, at, echo{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := tr.Dial(testCtx(t), sdk.Scope{Workspace: "w"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(testCtx(t)); err != nil {
			t.Fatal(err)
		}
		if err := l.Wait(testCtx(t)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
