package zmq

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

type transport struct{ host *stream.Host }

var _ sdk.Transport = transport{}

// Serve implements [sdk.Transport]. All endpoints of a set are bound, or none.
func (t transport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	if err := checkScope(s); err != nil {
		return nil, err
	}
	answer := func(c stream.Conn) (stream.Codec, sdk.Peer, error) { return answer(c, s, sealed(c)) }
	return t.host.Serve(at, h, answer, func(e sdk.Endpoint) (stream.Listener, error) { return t.listen(ctx, s, e) })
}

// Dial implements [sdk.Transport].
func (t transport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	if err := checkScope(s); err != nil {
		return nil, err
	}
	introduce := func(c stream.Conn) (stream.Codec, sdk.Peer, error) { return introduce(c, s, sealed(c)) }
	return t.host.Dial(ctx, to, introduce, func(e sdk.Endpoint) (stream.Conn, error) { return connect(ctx, e) })
}

// minSecret is the shortest secret taken. A proof lets who sees it try secrets.
const minSecret = 16

func checkScope(s sdk.Scope) error {
	if len(s.Secret) < minSecret {
		return fmt.Errorf("%w: %s proves both sides by Scope.Secret, which has %d bytes; give it at least %d random ones",
			sdk.ErrInvalid, Name, len(s.Secret), minSecret)
	}
	return stream.CheckScope(s)
}

// sealed reports whether the frames of c need a seal. Others may sit between the two
// ends of a TCP connection; nobody sits in a socket in a directory of ours.
func sealed(c stream.Conn) bool {
	_, tcp := c.(*net.TCPConn)
	return tcp
}

func isTCP(e sdk.Endpoint) bool { return strings.HasPrefix(string(e), SchemeTCP+":") }

func (t transport) listen(ctx context.Context, s sdk.Scope, e sdk.Endpoint) (stream.Listener, error) {
	if !isTCP(e) {
		path, err := sockfile.Path(SchemeIPC, e)
		if err != nil {
			return nil, err
		}
		return sockfile.Listen(ctx, path, func(c net.Conn) sdk.Record { return t.holder(ctx, s, c.(stream.Conn)) })
	}
	address, err := tcpAddress(e)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return tcpListener{l.(*net.TCPListener)}, nil
	case !inUse(err):
		return nil, fmt.Errorf("%w: listen at %s: %w", sdk.ErrUnavailable, e, err)
	}
	held := &sdk.HeldError{What: string(e), Holder: stream.HolderOf(sdk.Peer{}, err)}
	if c, err := connect(ctx, e); err == nil {
		held.Holder = t.holder(ctx, s, c)
		_ = c.Close()
	}
	return nil, held
}

// holder asks a living listener who it is; it says so if it has our secret. The
// question is brief: the answer is for people, and a stopped one never gives it.
func (t transport) holder(ctx context.Context, s sdk.Scope, c stream.Conn) sdk.Record {
	var peer sdk.Peer
	err := stream.WithDeadline(ctx, c, t.host.Limits.Probe, func() (err error) {
		_, peer, err = introduce(c, sdk.Scope{Workspace: stream.ProbeWorkspace, Secret: s.Secret}, sealed(c))
		return err
	})
	return stream.HolderOf(peer, err)
}

// connect opens a connection; no byte is sent.
func connect(ctx context.Context, e sdk.Endpoint) (stream.Conn, error) {
	if !isTCP(e) {
		path, err := sockfile.Path(SchemeIPC, e)
		if err != nil {
			return nil, err
		}
		return sockfile.Connect(ctx, path)
	}
	address, err := tcpAddress(e)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
