package remote

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type nearTransport struct{ near }

func (t nearTransport) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	handler := t.c.handlers.add(h)
	named := near{c: t.c, id: handler.id} // the request names the handler, there is no object yet
	bound, n, err := obtain(ctx, named, opTransportServe, 0, target{s, at}, appendTarget, wire.DecodeEndpoints)
	if err != nil {
		t.c.handlers.remove(handler)
		return nil, err
	}
	return &nearServer{near: n, bound: bound, handler: handler}, nil
}

func (t nearTransport) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	peer, n, err := obtain(ctx, t.near, opTransportDial, 0, target{s, to}, appendTarget, wire.DecodePeer)
	if err != nil {
		return nil, err
	}
	return nearLink{near: n, peer: peer}, nil
}

type nearServer struct {
	near
	bound   []sdk.Endpoint
	handler *nearHandler
}

func (s *nearServer) Bound() []sdk.Endpoint { return append([]sdk.Endpoint(nil), s.bound...) }

func (s *nearServer) Publish(ctx context.Context, e sdk.Event) error {
	_, err := ask(ctx, s.near, opServerPublish, 0, e, wire.AppendEvent, decodeNone)
	return err
}

// Close waits for the running Handles too: the plugin answers when it saw the last
// one's answer, or died, and then the handler's calls are cancelled.
func (s *nearServer) Close(ctx context.Context) error {
	err := s.release(ctx, opServerClose)
	if err == nil {
		s.c.handlers.remove(s.handler)
	}
	return err
}

type nearLink struct {
	near
	peer sdk.Peer
}

func (l nearLink) Server() sdk.Peer { return l.peer }

func (l nearLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	return ask(ctx, l.near, opLinkCall, 0, m, wire.AppendMessage, decodeBytes)
}

func (l nearLink) Publish(ctx context.Context, e sdk.Event) error {
	_, err := ask(ctx, l.near, opLinkPublish, 0, e, wire.AppendEvent, decodeNone)
	return err
}

func (l nearLink) Subscribe(ctx context.Context, prefix string) (sdk.Subscription, error) {
	_, n, err := obtain(ctx, l.near, opLinkSubscribe, 0, prefix, appendText, decodeNone)
	if err != nil {
		return nil, err
	}
	return nearSubscription{n}, nil
}

func (l nearLink) Wait(ctx context.Context) error { return l.tell(ctx, opLinkWait) }

func (l nearLink) Close(ctx context.Context) error { return l.release(ctx, opLinkClose) }

type nearSubscription struct{ near }

func (s nearSubscription) Next(ctx context.Context) (sdk.Event, error) {
	return ask(ctx, s.near, opSubscriptionNext, 0, nil, appendRaw, wire.DecodeEvent)
}

func (s nearSubscription) Close() error { return s.finish(opSubscriptionClose) }
