package unix

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

type transport struct{ host *stream.Host }

var _ sdk.Transport = transport{}

// Serve implements [sdk.Transport]. A set holds one endpoint; of a larger one
// each is bound, all or none.
func (t transport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	if err := stream.CheckScope(s); err != nil {
		return nil, err
	}
	answer := func(c stream.Conn) (stream.Codec, sdk.Peer, error) {
		peer, err := answer(c.(*net.UnixConn), s)
		return newCodec(c), peer, err
	}
	return t.host.Serve(at, h, answer, func(e sdk.Endpoint) (stream.Listener, error) {
		path, err := sockfile.Path(Scheme, e)
		if err != nil {
			return nil, err
		}
		return sockfile.Listen(ctx, path, func(c net.Conn) sdk.Record { return t.holder(ctx, c.(*net.UnixConn)) })
	})
}

// holder asks a living listener who it is. It does so briefly: the answer is for
// people, and a stopped one never gives it.
func (t transport) holder(ctx context.Context, c *net.UnixConn) sdk.Record {
	var peer sdk.Peer
	err := stream.WithDeadline(ctx, c, t.host.Limits.Probe, func() (err error) {
		peer, err = introduce(c, sdk.Scope{Workspace: stream.ProbeWorkspace})
		return err
	})
	return stream.HolderOf(peer, err)
}

// Dial implements [sdk.Transport].
func (t transport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	if err := stream.CheckScope(s); err != nil {
		return nil, err
	}
	introduce := func(c stream.Conn) (stream.Codec, sdk.Peer, error) {
		peer, err := introduce(c.(*net.UnixConn), s)
		if errors.Is(err, errForeign) {
			err = fmt.Errorf("%w: what answers is %w", sdk.ErrIncompatible, err)
		}
		return newCodec(c), peer, err
	}
	return t.host.Dial(ctx, to, introduce, func(e sdk.Endpoint) (stream.Conn, error) {
		path, err := sockfile.Path(Scheme, e)
		if err != nil {
			return nil, err
		}
		return sockfile.Connect(ctx, path)
	})
}
