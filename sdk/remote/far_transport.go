package remote

import (
	"context"
	"io"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

func (f *far) transport(r *request) error {
	switch {
	case r.op >= opSubscriptionNext:
		return f.subscription(r)
	case r.op >= opLinkCall:
		return f.link(r)
	case r.op >= opServerPublish:
		return f.server(r)
	}
	t, err := served(r, f.opened().Transport())
	if err != nil {
		return err
	}
	to, err := decodeTarget(r.body)
	if err != nil {
		return err
	}
	switch r.op {
	case opTransportServe:
		s, err := t.Serve(r, to.scope, to.at, &farHandler{conn: f.conn, id: r.object})
		if err != nil {
			return err
		}
		return made(f, r, s, s.Bound(), nil, wire.AppendEndpoints)
	case opTransportDial:
		l, err := t.Dial(r, to.scope, to.at)
		if err != nil {
			return err
		}
		return made(f, r, l, l.Server(), nil, wire.AppendPeer)
	}
	return errUnknownOp(r)
}

func (f *far) server(r *request) error {
	s, err := object[sdk.Server](f, r)
	if err != nil {
		return err
	}
	switch r.op {
	case opServerPublish:
		e, err := wire.DecodeEvent(r.body)
		if err != nil {
			return err
		}
		return s.Publish(r, e)
	case opServerClose: // idempotent, so it stays known
		return s.Close(r)
	}
	return errUnknownOp(r)
}

func (f *far) link(r *request) error {
	l, err := object[sdk.Link](f, r)
	if err != nil {
		return err
	}
	switch r.op {
	case opLinkCall:
		m, err := wire.DecodeMessage(r.body)
		if err != nil {
			return err
		}
		body, err := l.Call(r, m)
		return reply(r, body, err, appendRaw)
	case opLinkPublish:
		e, err := wire.DecodeEvent(r.body)
		if err != nil {
			return err
		}
		return l.Publish(r, e)
	case opLinkSubscribe:
		s, err := l.Subscribe(r, string(r.body))
		return made(f, r, s, nil, err, appendRaw)
	case opLinkWait:
		return l.Wait(r)
	case opLinkClose: // idempotent, so it stays known
		return l.Close(r)
	}
	return errUnknownOp(r)
}

func (f *far) subscription(r *request) error {
	switch r.op {
	case opSubscriptionNext:
		s, err := object[sdk.Subscription](f, r)
		if err != nil {
			return err
		}
		e, err := s.Next(r)
		return reply(r, e, err, wire.AppendEvent)
	case opSubscriptionClose:
		c, err := object[io.Closer](f, r)
		if err != nil {
			return nil // closed before
		}
		f.forget(r)
		return c.Close()
	}
	return errUnknownOp(r)
}

// farHandler is the kernel's handler as the plugin's server sees it.
type farHandler struct {
	conn *conn
	id   uint64
}

var _ sdk.Handler = (*farHandler)(nil)

// Handle implements sdk.Handler.
func (h *farHandler) Handle(c context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	a, err := invoke(c, h.conn, opHandlerHandle, h.id, 0, delivery{from: from, message: m}, appendDelivery)
	if err != nil {
		return nil, explain(opHandlerHandle, err)
	}
	return a.body, nil
}

// Published implements sdk.Handler. It returns when the kernel has taken the event,
// which keeps the order and holds back the one link that sends too much.
func (h *farHandler) Published(c context.Context, from sdk.Peer, e sdk.Event) {
	_, _ = invoke(c, h.conn, opHandlerPublished, h.id, 0, delivery{from: from, event: &e}, appendDelivery)
}

// Ended implements sdk.Handler.
func (h *farHandler) Ended(from sdk.Peer) {
	_, _ = invoke(context.Background(), h.conn, opHandlerEnded, h.id, 0, delivery{from: from}, appendDelivery)
}
