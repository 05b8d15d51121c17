package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type loopTransport struct{ t sdk.Transport }

func (l loopTransport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	s, at, err := passTarget(s, at)
	if err != nil {
		return nil, err
	}
	srv, err := l.t.Serve(ctx, s, at, loopHandler{h})
	return object(srv, err, func(s sdk.Server) sdk.Server { return loopServer{s} })
}

func (l loopTransport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	s, to, err := passTarget(s, to)
	if err != nil {
		return nil, err
	}
	link, err := l.t.Dial(ctx, s, to)
	return object(link, err, func(k sdk.Link) sdk.Link { return loopLink{k} })
}

// passTarget sends the two arguments that Serve and Dial share.
func passTarget(s sdk.Scope, set []sdk.Endpoint) (sdk.Scope, []sdk.Endpoint, error) {
	s, err := pass(s, wire.AppendScope, wire.DecodeScope)
	if err != nil {
		return s, nil, err
	}
	set, err = pass(set, wire.AppendEndpoints, wire.DecodeEndpoints)
	return s, set, err
}

// loopHandler is on the plugin's side: its calls go towards the kernel.
type loopHandler struct{ h sdk.Handler }

func (l loopHandler) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	from, err := pass(from, wire.AppendPeer, wire.DecodePeer)
	if err != nil {
		return nil, err
	}
	m, err = pass(m, wire.AppendMessage, wire.DecodeMessage)
	if err != nil {
		return nil, err
	}
	reply, err := l.h.Handle(ctx, from, m)
	return answer(reply, err, appendBytes, decodeBytes)
}

func (l loopHandler) Published(ctx context.Context, from sdk.Peer, e sdk.Event) {
	l.h.Published(ctx, passed(from, wire.AppendPeer, wire.DecodePeer), passed(e, wire.AppendEvent, wire.DecodeEvent))
}

func (l loopHandler) Ended(from sdk.Peer) {
	l.h.Ended(passed(from, wire.AppendPeer, wire.DecodePeer))
}

type loopServer struct{ s sdk.Server }

func (l loopServer) Bound() []sdk.Endpoint {
	return passed(l.s.Bound(), wire.AppendEndpoints, wire.DecodeEndpoints)
}

func (l loopServer) Publish(ctx context.Context, e sdk.Event) error {
	e, err := pass(e, wire.AppendEvent, wire.DecodeEvent)
	if err != nil {
		return err
	}
	return passError(l.s.Publish(ctx, e))
}

func (l loopServer) Close(ctx context.Context) error { return passError(l.s.Close(ctx)) }

type loopLink struct{ l sdk.Link }

func (l loopLink) Server() sdk.Peer {
	return passed(l.l.Server(), wire.AppendPeer, wire.DecodePeer)
}

func (l loopLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	m, err := pass(m, wire.AppendMessage, wire.DecodeMessage)
	if err != nil {
		return nil, err
	}
	reply, err := l.l.Call(ctx, m)
	return answer(reply, err, appendBytes, decodeBytes)
}

func (l loopLink) Publish(ctx context.Context, e sdk.Event) error {
	e, err := pass(e, wire.AppendEvent, wire.DecodeEvent)
	if err != nil {
		return err
	}
	return passError(l.l.Publish(ctx, e))
}

func (l loopLink) Subscribe(ctx context.Context, prefix string) (sdk.Subscription, error) {
	prefix, err := passString(prefix, nil)
	if err != nil {
		return nil, err
	}
	s, err := l.l.Subscribe(ctx, prefix)
	return object(s, err, func(s sdk.Subscription) sdk.Subscription { return loopSubscription{s} })
}

func (l loopLink) Wait(ctx context.Context) error  { return passError(l.l.Wait(ctx)) }
func (l loopLink) Close(ctx context.Context) error { return passError(l.l.Close(ctx)) }

type loopSubscription struct{ s sdk.Subscription }

func (l loopSubscription) Next(ctx context.Context) (sdk.Event, error) {
	e, err := l.s.Next(ctx)
	return answer(e, err, wire.AppendEvent, wire.DecodeEvent)
}

func (l loopSubscription) Close() error { return passError(l.s.Close()) }
