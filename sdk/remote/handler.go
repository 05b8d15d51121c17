package remote

import (
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// handlerTable is the kernel's side of the reverse calls: the handlers of the
// servers that the plugin serves.
type handlerTable struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]*nearHandler
}

// nearHandler is one server's handler, with the sessions that have not ended: when
// the plugin dies somebody must end them.
type nearHandler struct {
	id uint64
	h  sdk.Handler

	mu       sync.Mutex
	sessions map[string]sdk.Peer // by the peer's encoding: decoded once, not for each call
	over     bool
	running  sync.WaitGroup // calls of the plugin
}

func (t *handlerTable) add(h sdk.Handler) *nearHandler {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[uint64]*nearHandler{}
	}
	t.last++
	n := &nearHandler{id: t.last, h: h, sessions: map[string]sdk.Peer{}}
	t.open[n.id] = n
	return n
}

// remove forgets a handler whose server is closed and ends what sessions it still
// has.
func (t *handlerTable) remove(n *nearHandler) {
	t.mu.Lock()
	delete(t.open, n.id)
	t.mu.Unlock()
	n.end()
}

// endAll ends every session of every server, once the plugin's calls returned.
func (t *handlerTable) endAll() {
	t.mu.Lock()
	open := t.open
	t.open = nil
	t.mu.Unlock()
	for _, n := range open {
		n.end()
	}
}

// handle runs a call of the plugin.
func (t *handlerTable) handle(r *request) {
	t.mu.Lock()
	n := t.open[r.object]
	t.mu.Unlock()
	err := fmt.Errorf("%w: %s of a server that is closed", sdk.ErrClosed, r.op)
	if n != nil {
		err = n.handle(r)
	}
	switch {
	case err != nil:
		r.answerError(err)
	case !r.answered:
		answerWith(r, 0, nil, appendRaw)
	}
}

func (n *nearHandler) handle(r *request) error {
	from, message, event, err := splitDelivery(r.body)
	if err != nil {
		return err
	}
	peer, err := n.enter(from, r.op == opHandlerEnded)
	if err != nil {
		return err
	}
	defer n.running.Done()
	switch r.op {
	case opHandlerHandle:
		m, err := wire.DecodeMessage(message)
		if err != nil {
			return err
		}
		body, err := n.h.Handle(r, peer, m)
		return reply(r, body, err, appendRaw)
	case opHandlerPublished:
		e, err := wire.DecodeEvent(event)
		if err != nil {
			return err
		}
		n.h.Published(r, peer, e)
		return nil
	case opHandlerEnded:
		n.h.Ended(peer)
		return nil
	}
	return errUnknownOp(r)
}

// enter counts a call and returns whose it is.
func (n *nearHandler) enter(from []byte, last bool) (sdk.Peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return sdk.Peer{}, fmt.Errorf("%w: the server is closed", sdk.ErrClosed)
	}
	peer, ok := n.sessions[string(from)]
	if !ok {
		var err error
		if peer, err = wire.DecodePeer(from); err != nil {
			return peer, err
		}
	}
	switch {
	case last:
		delete(n.sessions, string(from))
	case !ok:
		n.sessions[string(from)] = peer
	}
	n.running.Add(1)
	return peer, nil
}

// end waits for the calls, whose contexts have ended, and ends the sessions that
// the plugin did not.
func (n *nearHandler) end() {
	n.mu.Lock()
	n.over = true
	left := n.sessions
	n.sessions = nil
	n.mu.Unlock()
	n.running.Wait()
	for _, peer := range left {
		n.h.Ended(peer)
	}
}
