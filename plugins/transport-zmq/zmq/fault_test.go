package zmq

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/null"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// long returns the 9 bytes that claim a frame of size bytes.
func long(flags byte, size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{flags | flagLong}, size)
}

// sizes are what a header can claim.
var sizes = []uint64{64 << 20, 1 << 50, 1 << 62, 1<<63 - 1, 1<<64 - 1}

// zmq4 sets aside what a header claims, or panics: 9 bytes ended the process.
func TestNineByteHeaderIsRefusedBeforeMemoryIsSetAside(t *testing.T) {
	r := newRig(t, "tcp", defaultLimits())
	good, before := r.link(), resident(t)
	refused := uint64(0)
	for _, size := range sizes {
		for _, flags := range []byte{0, flagCommand} {
			stranger := r.raw()
			r.write(stranger, append(greeting("NULL"), long(flags, size)...))
			r.cut("before READY", stranger)

			met, _ := r.met()
			r.write(met, long(flags, size))
			r.cut("before the proof", met)

			proved, _ := r.proved()
			r.write(proved, long(flags, size))
			r.cut("after the proof", proved)
			refused += 3
		}
		r.works(good)
	}
	r.counted(stream.CountProtocol, refused)
	if n := r.log.count(stream.CountProtocol); n == 0 || n > 2 {
		t.Errorf("%d lines of log for %d refusals", n, refused)
	}
	if grown := resident(t) - before; grown > 64<<20 {
		t.Errorf("resident memory grew by %d MiB", grown>>20)
	}
}

func TestBadGreetingsAreCut(t *testing.T) {
	l := defaultLimits()
	l.Handshake = 500 * time.Millisecond
	r := newRig(t, "ipc", l)
	good := r.link()
	old := greeting("NULL")
	old[10] = 2
	damaged := func(data ...byte) []byte { return append(greeting("NULL"), command("READY", data...)...) }
	for name, bad := range map[string][]byte{
		"an HTTP client":        []byte("GET / HTTP/1.1\r\n"),
		"endless":               bytes.Repeat([]byte{0xff}, 1<<20),
		"endless signature":     append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3}, bytes.Repeat([]byte{3}, 1<<20)...),
		"half":                  greeting("NULL")[:30],
		"old ZMTP":              old,
		"PLAIN":                 greeting("PLAIN"),
		"CURVE":                 greeting("CURVE"),
		"a SUB":                 append(greeting("NULL"), ready("SUB")...),
		"a REQ":                 append(greeting("NULL"), ready("REQ")...),
		"no socket type":        append(greeting("NULL"), command("READY")...),
		"HELLO":                 append(greeting("NULL"), command("HELLO")...),
		"nameless command":      append(greeting("NULL"), flagCommand, 0),
		"name beyond the end":   append(greeting("NULL"), flagCommand, 2, 200, 'R'),
		"reserved flags":        append(greeting("NULL"), 0x80, 0),
		"message before READY":  append(greeting("NULL"), 0, 1, 'x'),
		"property without name": damaged(0, 0, 0, 0, 0),
		"property cut short":    damaged(11, 'S', 'o'),
		"value cut short":       damaged(1, 'a', 0, 0, 0, 9, 'b'),
		"value of 4 GiB":        damaged(1, 'a', 0xff, 0xff, 0xff, 0xff),
	} {
		c := r.raw()
		r.write(c, bad)
		r.cut(name, c)
		r.works(good)
	}
	r.counted(stream.CountProtocol, 18)
	r.counted(stream.CountSilent, 1)
}

func TestThousandSilentConnectionsBlockNobody(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	good, before := r.link(), resident(t)
	for n := range 1000 {
		c := r.raw()
		if n%100 == 0 {
			r.works(good)
			_ = r.link().Close(r.ctx)
		}
		if n%2 == 0 {
			r.write(c, greeting("NULL"))
		}
	}
	r.works(good)
	r.counted(stream.CountSilent, uint64(1000-r.run.Limits.Unproved-20))
	if n := r.log.count(stream.CountSilent); n == 0 || n > 3 {
		t.Errorf("%d lines of log", n)
	}
	if grown := resident(t) - before; grown > 64<<20 {
		t.Errorf("resident memory grew by %d MiB", grown>>20)
	}
}

func TestNothingIsServedWithoutTheProof(t *testing.T) {
	for _, listen := range []string{"ipc", "tcp"} {
		r := newRig(t, listen, defaultLimits())
		call := func() []byte {
			return (&codec{frame: [][]byte{nil}}).message(stream.KindCall, 1, nil, []byte("whatever"))
		}
		for name, say := range map[string]func(x *exchange) error{
			"a call at once": func(x *exchange) error { return x.send(call()) },
			"nothing of ours": func(x *exchange) error {
				return x.send([]byte("hello?"))
			},
			"a call instead of the claim": func(x *exchange) error {
				return errors.Join(x.send(hello()), x.send(call()))
			},
			"another secret": func(x *exchange) error {
				x.secret = []byte("another secret, of a workspace.")
				_ = x.send(hello())
				m, err := x.receiveHello(proofBytes)
				if err != nil {
					return err
				}
				if _, ok := x.proved(labelChallenge, m); ok {
					return errors.New("the server's proof fits another secret")
				}
				return x.sendProved(labelClaim, stream.AppendText(nil, string(stream.AppendScope(nil, clientScope))))
			},
			"the server's own proof": func(x *exchange) error {
				_ = x.send(hello())
				m, err := x.receiveHello(proofBytes)
				if err != nil {
					return err
				}
				scope := stream.AppendText(nil, string(stream.AppendScope(nil, clientScope)))
				return x.send(append(scope, m[helloBytes:]...))
			},
		} {
			c, x := r.met()
			if err := say(x); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := []string{}
			for {
				m, err := x.receive()
				if err != nil {
					break
				}
				got = append(got, string(m))
			}
			r.cut(name, c)
			if n := len(got); n > 2 || n > 0 && strings.Contains(got[n-1], serverScope.Instance) {
				t.Errorf("%s: the server said %q", name, got)
			}
		}
		r.counted(stream.CountProof, 3)
		r.counted(stream.CountProtocol, 2)
		r.works(r.link())
	}
}

// A proof that was once right is of no use on another connection.
func TestRecordedHandshakeIsRefused(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	_, x := r.met()
	first := hello()
	_ = x.send(first)
	m, err := x.receiveHello(proofBytes)
	if err != nil {
		t.Fatal(err)
	}
	x.proved(labelChallenge, m)
	if err := x.sendProved(labelClaim, stream.AppendText(nil, string(stream.AppendScope(nil, clientScope)))); err != nil {
		t.Fatal(err)
	}
	claim := x.said[2*helloBytes+proofBytes:]
	if _, err := x.takeWelcome(); err != nil {
		t.Fatal(err)
	}
	c, again := r.met()
	_ = again.send(first)
	if _, err := again.receive(); err != nil {
		t.Fatal(err)
	}
	_ = again.send(claim[:len(claim):len(claim)])
	r.counted(stream.CountProof, 1)
	r.cut("replayed claim", c)
}

func TestSecretOfAnotherWorkspaceIsRefusedByBothSides(t *testing.T) {
	r := newRig(t, "tcp", defaultLimits())
	other := clientScope
	other.Secret = []byte("the secret of another workspace")
	if _, err := r.tr.Dial(r.ctx, other, r.srv.Bound()); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("Dial with another secret: %v", err)
	}
	other = clientScope
	other.Workspace = "another"
	if _, err := r.tr.Dial(r.ctx, other, r.srv.Bound()); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), "another") {
		t.Errorf("Dial of another workspace: %v", err)
	}
	r.counted(stream.CountScope, 1)
	for _, scope := range []sdk.Scope{{Workspace: "w"}, {Workspace: "w", Secret: []byte("short")}} {
		_, err := r.tr.Serve(r.ctx, scope, r.srv.Bound(), echo{})
		_, err2 := r.tr.Dial(r.ctx, scope, r.srv.Bound())
		if !errors.Is(err, sdk.ErrInvalid) || !errors.Is(err2, sdk.ErrInvalid) {
			t.Errorf("without a secret: Serve %v, Dial %v", err, err2)
		}
	}
}

// On TCP somebody may sit in the middle. What they change, repeat, leave out or
// reorder ends the link.
func TestTamperedFramesEndTheLink(t *testing.T) {
	call := func(c *codec, body string) []byte {
		fields := append(make([]byte, 16), 1, 'x')
		return c.Append(nil, stream.KindCall, 1, fields, []byte(body))
	}
	for name, tamper := range map[string]func(c *codec) []byte{
		"repeated":  func(c *codec) []byte { m := call(c, "a"); return append(m, m...) },
		"left out":  func(c *codec) []byte { call(c, "a"); return call(c, "b") },
		"reordered": func(c *codec) []byte { m := call(c, "a"); return append(call(c, "b"), m...) },
		"changed":   func(c *codec) []byte { m := call(c, "a"); m[len(m)-sealBytes-1] ^= 1; return m },
		"unsealed":  func(c *codec) []byte { c.out = nil; return call(c, "a") },
		"empty":     func(*codec) []byte { return []byte{0, 0} },
		"reflected": func(c *codec) []byte { c.out = c.in; return call(c, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "tcp", defaultLimits())
			good := r.link()
			c, codec := r.proved()
			r.write(c, tamper(codec))
			r.cut(name, c)
			r.counted(stream.CountProof, 1)
			r.works(good)
		})
	}
}

// The same on the client's side: it believes nothing that the server did not seal.
func TestTamperedAnswerEndsTheLink(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sdktest.NoLeaks(t)
	ln, at := listenTCP(t)
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		made, _, err := answer(conn.(*net.TCPConn), serverScope, true)
		if err != nil {
			done <- err
			return
		}
		made.Start(func([]byte) {})
		f, err := made.Read()
		if err == nil {
			b := made.Append(nil, stream.KindReply, f.ID, nil, []byte("yes"))
			b[len(b)-sealBytes-1] ^= 1
			_, err = conn.Write(b)
		}
		done <- err
	}()
	run, err := New().Open(ctx, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close(ctx)
	l, err := run.Transport().Dial(ctx, clientScope, []sdk.Endpoint{at})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Call(ctx, sdk.Message{Op: "x"}); !errors.Is(err, sdk.ErrOutcomeUnknown) {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func listenTCP(t *testing.T) (net.Listener, sdk.Endpoint) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, sdk.Endpoint(SchemeTCP + "://" + ln.Addr().String())
}

// Whoever was on the port before us, or took it after our server died.
func TestSquatterIsHeldAndNotBelieved(t *testing.T) {
	sdktest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	run, err := New().Open(ctx, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close(ctx)
	thief := serverScope
	thief.Secret = []byte("the thief does not know the secret")
	for name, test := range map[string]struct {
		serve func(c *net.TCPConn)
		want  error
	}{
		"silent":                      {func(c *net.TCPConn) { t.Cleanup(func() { _ = c.Close() }) }, sdk.ErrUnavailable},
		"another kind":                {func(c *net.TCPConn) { _, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n")); _ = c.Close() }, sdk.ErrIncompatible},
		"a ROUTER without the secret": {func(c *net.TCPConn) { _, _, _ = answer(c, thief, true); _ = c.Close() }, sdk.ErrInvalid},
	} {
		ln, at := listenTCP(t)
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				test.serve(c.(*net.TCPConn))
			}
		}()
		_, err := run.Transport().Serve(ctx, serverScope, []sdk.Endpoint{at}, echo{})
		var held *sdk.HeldError
		if !errors.As(err, &held) || held.Holder.Epoch != 0 {
			t.Errorf("%s: Serve: %v", name, err)
		}
		brief, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if _, err := run.Transport().Dial(brief, clientScope, []sdk.Endpoint{at}); !errors.Is(err, test.want) {
			t.Errorf("%s: Dial: got %v, want %v", name, err, test.want)
		}
		cancel()
	}
}

// Two workspaces that derive the same port never meet.
func TestTwoWorkspacesWithTheSamePortNeverMeet(t *testing.T) {
	r := newRig(t, "tcp", defaultLimits())
	other := sdk.Scope{Workspace: "other", Epoch: 9, Instance: "other", Secret: []byte("the secret of the other workspace")}
	_, err := r.tr.Serve(r.ctx, other, r.srv.Bound(), echo{})
	var held *sdk.HeldError
	if !errors.As(err, &held) || held.Holder.Instance == "srv" {
		t.Errorf("Serve: %v", err)
	}
	if _, err := r.tr.Dial(r.ctx, other, r.srv.Bound()); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("Dial: %v", err)
	}
	if _, err := r.tr.Serve(r.ctx, serverScope, r.srv.Bound(), echo{}); !errors.As(err, &held) || held.Holder.Instance != "srv" || held.Holder.Epoch != 3 {
		t.Errorf("the holder tells who it is to who has its secret: %v", err)
	}
}

// zmq4's ROUTER gives an answer to every peer with the same identity.
func TestPeersWithTheSameIdentityAreTwo(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	var peers []*codec
	for range 2 {
		c := r.raw()
		g := newGuard(c, "ROUTER")
		z, err := zmq4.Open(g, null.Security(), zmq4.Dealer, zmq4.SocketIdentity("twin"), false, nil)
		if err != nil {
			t.Fatal(err)
		}
		made, _, err := (&exchange{guard: g, zmtp: z, secret: secret}).introduce(clientScope, false)
		if err != nil {
			t.Fatal(err)
		}
		made.Start(func([]byte) {})
		peers = append(peers, made.(*codec))
	}
	for round := range 3 {
		for n, p := range peers {
			body := fmt.Appendf(nil, "peer %d, round %d", n, round)
			r.write(p.guard.Conn, p.Append(nil, stream.KindCall, uint64(round), append(make([]byte, 16), 1, 'x'), body))
		}
		for n, p := range peers {
			f, err := p.Read()
			if want := fmt.Sprintf("peer %d, round %d", n, round); err != nil || string(f.Payload) != want || f.Kind != stream.KindReply {
				t.Errorf("got %q, %v, want %q", f.Payload, err, want)
			}
		}
	}
}

// zmq4 gives PING to its user as a message, and answers in the middle of others.
func TestPingIsAnsweredAndNoMessage(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	c, codec := r.proved()
	b := command("PING", 0, 10, 'c', 't', 'x')
	b = append(b, command("SUBSCRIBE", 'a')...)
	b = append(b, command("NOBODYKNOWS")...)
	b = codec.Append(b, stream.KindCall, 7, append(make([]byte, 16), 1, 'x'), []byte("body"))
	b = append(b, command("PING", 0, 10)...)
	r.write(c, b)
	want := slices.Concat(command("PONG", 'c', 't', 'x'), codec.Append(nil, stream.KindReply, 7, nil, []byte("body")), command("PONG"))
	got := make([]byte, 0, len(want))
	for len(got) < len(want) {
		chunk := make([]byte, len(want))
		n, err := c.Read(chunk)
		if err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		got = append(got, chunk[:n]...)
	}
	for _, part := range [][]byte{command("PONG", 'c', 't', 'x'), codec.Append(nil, stream.KindReply, 7, nil, []byte("body")), command("PONG")} {
		if !bytes.Contains(got, part) {
			t.Errorf("%q is not in %q", part, got)
		}
	}
	if _, err := c.Write(bytes.Repeat(command("PING", 0, 10), 1000)); err != nil {
		t.Error(err)
	}
	r.works(r.link())
}

func TestMessageOf64MiBIsRefusedOnBothSides(t *testing.T) {
	r := newRig(t, "tcp", defaultLimits())
	l := r.link()
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x", Body: make([]byte, 64<<20)}); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("Call: %v", err)
	}
	c, _ := r.proved()
	r.write(c, append(long(0, 64<<20), make([]byte, 1<<20)...))
	r.cut("64 MiB", c)
	r.works(l)
}

func TestHalfFrameThenSilenceDelaysNobody(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	c, codec := r.proved()
	whole := codec.Append(nil, stream.KindCall, 7, append(make([]byte, 16), 1, 'x'), make([]byte, 1000))
	r.write(c, whole[:len(whole)/2])
	r.works(r.link())
}

func TestPeerThatDoesNotReadIsCutAndDelaysNobody(t *testing.T) {
	l := defaultLimits()
	l.Stall = 300 * time.Millisecond
	r := newRig(t, "tcp", l)
	good := r.link()
	c, codec := r.proved()
	for range 4 {
		r.write(c, codec.Append(nil, stream.KindCall, 1, append(make([]byte, 16), 1, 'x'), make([]byte, 8<<20)))
	}
	r.counted(stream.CountStalled, 1)
	r.works(good)
}

func TestOtherVersionIsIncompatible(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	_, x := r.met()
	h := hello()
	binary.BigEndian.PutUint16(h[len(magic):], version+1)
	if err := x.send(h); err != nil {
		t.Fatal(err)
	}
	m, err := x.receive()
	if err != nil || sdk.Code(binary.BigEndian.Uint32(m)) != sdk.CodeOf(sdk.ErrIncompatible) || !strings.Contains(string(m), "version 2") {
		t.Errorf("got %q, %v", m, err)
	}
}

func TestDirectoryMustBePrivate(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	open := t.TempDir() // 0755
	at := []sdk.Endpoint{sockfile.Endpoint(SchemeIPC, open+"/z0")}
	if _, err := r.tr.Serve(r.ctx, serverScope, at, echo{}); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("Serve: %v", err)
	}
}

func TestOnlyThisMachine(t *testing.T) {
	r := newRig(t, "ipc", defaultLimits())
	for _, e := range []sdk.Endpoint{"zmq+tcp://0.0.0.0:20000", "zmq+tcp://192.0.2.1:20000", "zmq+tcp://localhost:20000",
		"zmq+tcp://127.0.0.1:0", "zmq+tcp://127.0.0.1", "zmq+tcp://127.0.0.1:20000/x", "tcp://127.0.0.1:20000", "unix:///a"} {
		_, err := r.tr.Serve(r.ctx, serverScope, []sdk.Endpoint{e}, echo{})
		_, err2 := r.tr.Dial(r.ctx, clientScope, []sdk.Endpoint{e})
		if !errors.Is(err, sdk.ErrInvalid) || !errors.Is(err2, sdk.ErrInvalid) {
			t.Errorf("%s: Serve %v, Dial %v", e, err, err2)
		}
	}
}
