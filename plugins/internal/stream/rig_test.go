package stream

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// plain is the simplest codec: length(4) kind(1) id(8) payload.
type plain struct{ in *bufio.Reader }

func (plain) Start(func([]byte)) {}

func (plain) Append(b []byte, kind byte, id uint64, fields, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(fields)+len(body)))
	b = binary.BigEndian.AppendUint64(append(b, kind), id)
	return append(append(b, fields...), body...)
}

func (c plain) Read() (Frame, error) {
	var head [13]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return Frame{}, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.in, payload)
	return Frame{head[4], binary.BigEndian.Uint64(head[5:]), payload}, err
}

// rig is a host and a socket of its own that nobody proves anything on.
type rig struct {
	*testing.T
	ctx  context.Context
	host *Host
	path string
}

func newRig(t *testing.T, l Limits) *rig {
	t.Helper()
	sdktest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r := &rig{t, ctx, NewHost("test", hclog.NewNullLogger(), l), filepath.Join(t.TempDir(), "s")}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.host.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

// unbinder is a listener as sockfile makes them, less its care.
type unbinder struct{ net.Listener }

func (u unbinder) Unbind() { _ = u.Close() }

func (r *rig) serve(h sdk.Handler) *Server {
	r.Helper()
	s, err := r.host.Serve([]sdk.Endpoint{"test:"}, h,
		func(c Conn) (Codec, sdk.Peer, error) { return plain{bufio.NewReader(c)}, sdk.Peer{}, nil },
		func(sdk.Endpoint) (Listener, error) {
			l, err := net.Listen("unix", r.path)
			return unbinder{l}, err
		})
	if err != nil {
		r.Fatal(err)
	}
	return s.(*Server)
}

func (r *rig) connect() *net.UnixConn {
	r.Helper()
	c, err := net.Dial("unix", r.path)
	if err != nil {
		r.Fatal(err)
	}
	return c.(*net.UnixConn)
}

func (r *rig) link() *Link {
	r.Helper()
	l, err := r.host.Dial(r.ctx, []sdk.Endpoint{"test:"},
		func(c Conn) (Codec, sdk.Peer, error) { return plain{bufio.NewReader(c)}, sdk.Peer{}, nil },
		func(sdk.Endpoint) (Conn, error) { return r.connect(), nil })
	if err != nil {
		r.Fatal(err)
	}
	return l.(*Link)
}

// handMade links to a server that does what serve says and nothing else.
func handMade(t *testing.T, serve func(c net.Conn, codec plain)) (*rig, *Link) {
	t.Helper()
	r := newRig(t, DefaultLimits())
	ln, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		serve(c, plain{bufio.NewReader(c)})
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return r, r.link()
}

type handler struct {
	handle func(ctx context.Context) ([]byte, error)
}

func (h handler) Handle(ctx context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
	if h.handle == nil {
		return m.Body, nil
	}
	return h.handle(ctx)
}
func (handler) Published(context.Context, sdk.Peer, sdk.Event) {}
func (handler) Ended(sdk.Peer)                                 {}
