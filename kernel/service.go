package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/sdk"
)

// service answers the secondaries of one epoch. A transport accepts links from the
// moment that it serves; what they ask waits until everything that answers is there,
// for what arrived before would be lost: handlers that nobody then finds.
type service struct {
	i      *Instance
	writer *forward.Writer
	epoch  uint64
	open   chan struct{} // closed by serve
}

var _ sdk.Handler = (*service)(nil)

// Handle answers one call of a secondary or an onlooker.
func (s *service) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	select {
	case <-s.open:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the primary of epoch %d does not serve yet: %w", sdk.ErrUnavailable, s.epoch, ctx.Err())
	}
	if m.Epoch > s.epoch {
		// The peer knows a newer primary. Do not answer; go and look.
		err := fmt.Errorf("%w: a peer is at epoch %d, we serve %d", sdk.ErrFenced, m.Epoch, s.epoch)
		s.i.passQuit(err)
		return nil, err
	}
	switch m.Op {
	case "ping":
		return nil, nil
	case "hello":
		return s.hello(from, m.Body)
	case "status":
		st, err := s.i.Status(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(st)
	case "changes":
		return s.i.changesAfter(ctx, m.Body)
	}
	if reply, known, err := s.writer.Handle(ctx, from, m); known {
		return reply, err
	}
	if reply, known, err := s.i.bus.Message(ctx, from, m); known {
		return reply, err
	}
	return nil, fmt.Errorf("%w: operation %q; this primary runs an older version", sdk.ErrUnsupported, m.Op)
}

// Published is not used: application messages are calls, so that losing one shows.
func (s *service) Published(context.Context, sdk.Peer, sdk.Event) {}

// Ended rolls back and forgets what a peer had open.
func (s *service) Ended(from sdk.Peer) {
	s.writer.Ended(from)
	s.i.bus.Ended(from)
	if s.i.members.leave(from.Session) {
		s.i.tellMembers()
	}
}

// hello enters a secondary in the list of members and returns the list. The pid is
// as the instance says: what the system knows of the peer is the process of its
// transport, which may be a program of its own.
func (s *service) hello(from sdk.Peer, body []byte) ([]byte, error) {
	var m InstanceStatus
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("%w: hello of session %s: %w", sdk.ErrInvalid, from.Session, err)
	}
	if s.i.members.enter(from.Session, m) {
		s.i.tellMembers()
	}
	return json.Marshal(s.i.memberList())
}

func (i *Instance) setQuit(f func(error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.quit = f
}

// passQuit ends the present service from a goroutine that does not own the pass.
func (i *Instance) passQuit(err error) {
	i.mu.Lock()
	quit := i.quit
	i.mu.Unlock()
	if quit != nil {
		quit(err)
	}
}

// linker keeps a link to whoever is primary, for as long as this instance is
// secondary.
func (i *Instance) linker(ctx context.Context) {
	var seen sdk.Record // the last primary linked to, or found gone
	for pause := minPause; ctx.Err() == nil; {
		r, ok := i.findPrimary(ctx, seen)
		if ok {
			link, err := i.dial(ctx, r)
			if err == nil {
				seen = r
				err = i.follow(ctx, r, link)
			}
			if err == nil {
				pause = minPause
				continue
			}
			i.log.Debug("link", "to", r.Endpoints, "err", err)
		}
		i.awaitRecord(ctx, r, pause)
		pause = min(2*pause, maxPause)
	}
}

const (
	minPause    = 5 * time.Millisecond // before a dial that failed is tried again
	maxPause    = 100 * time.Millisecond
	lookPause   = 10 * time.Millisecond // between two looks at the record while a primary is in doubt
	dialTimeout = 2 * time.Second
)

// awaitRecord waits until another record than r is announced, but not longer than
// most.
func (i *Instance) awaitRecord(ctx context.Context, r sdk.Record, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if _, err := i.parts.lock.Changed(ctx, r); err != nil {
		<-ctx.Done() // also when the lock does not work
	}
}

// findPrimary reads who serves. A primary that left, or one below the epoch
// already seen, is none.
func (i *Instance) findPrimary(ctx context.Context, seen sdk.Record) (sdk.Record, bool) {
	h, err := i.parts.lock.Inspect(ctx)
	r := h.Announced
	ok := err == nil && len(r.Endpoints) > 0 && !r.Left && r.Epoch >= seen.Epoch && r.Incarnation != i.self.Incarnation
	return r, ok
}

// dial connects to r. It gives up early when another primary announces itself:
// a stopped one accepts connections and never answers.
func (i *Instance) dial(ctx context.Context, r sdk.Record) (sdk.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	watch := start(func(quit context.Context) {
		if i.superseded(quit, r, lookPause) {
			cancel()
		}
	})
	defer watch.stop()
	scope := sdk.Scope{Workspace: r.Workspace, Epoch: r.Epoch, Instance: i.self.Instance,
		Incarnation: i.self.Incarnation, PID: i.self.PID, Role: sdk.Secondary}
	return i.parts.transport.Dial(ctx, scope, r.Endpoints)
}

// superseded blocks until the record names another primary than r, and reports
// whether it does; false when ctx ended first.
func (i *Instance) superseded(ctx context.Context, r sdk.Record, every time.Duration) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(every):
		}
		if h, err := i.parts.lock.Inspect(ctx); err == nil && h.Announced.Epoch > r.Epoch {
			return true
		}
	}
}

// greet tells the primary of this instance and learns who else is there.
func (i *Instance) greet(ctx context.Context, link sdk.Link, epoch uint64) error {
	body, err := json.Marshal(i.me(sdk.Secondary))
	if err != nil {
		return err
	}
	reply, err := link.Call(ctx, sdk.Message{Op: "hello", Epoch: epoch, Timeout: dialTimeout, Body: body})
	if err != nil {
		return err
	}
	return i.members.replace(reply)
}

// follow is one link's life: it tells the route, and waits until the link is gone
// or another primary took over. Writes that wait go first, the greeting with them:
// the handshake of the link has proved who serves. The error is that of the greeting.
func (i *Instance) follow(ctx context.Context, r sdk.Record, link sdk.Link) error {
	gen := i.route.set(forward.Target{Epoch: r.Epoch, Lineage: r.Lineage, Link: link})
	i.roles.set(RoleChange{Role: sdk.Secondary, Primary: r, Reason: "linked to " + r.Instance})
	i.setLinked(link, r)
	life, cancel := context.WithCancel(ctx)
	var greeted error
	watch := start(func(quit context.Context) {
		defer cancel()
		greeted = i.greet(quit, link, r.Epoch)
		if greeted == nil { // its kernel answers: a link alone its transport may hold up
			i.restore("takeover")
			i.watchLink(quit, link, r)
		}
	})
	err := link.Wait(life)
	goodbye := err == nil
	watch.stop()
	cancel()
	i.route.clear(gen)
	i.setUnlinked(goodbye) // before the tidying: the standby waits for it
	if err := link.Close(context.WithoutCancel(ctx)); err != nil {
		i.log.Debug("close link", "err", err)
	}
	return greeted
}

// watchLink returns when r is superseded; it looks often only while the primary is
// suspect. It also tells the primary when this instance's own entry changed.
func (i *Instance) watchLink(ctx context.Context, link sdk.Link, r sdk.Record) {
	_, changed := i.watch.state() // what counts is the change; greet reads the value
	for {
		every := superviseEvery
		if i.suspect.Load() {
			every = lookPause / 2
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			_, changed = i.watch.state()
			if err := i.greet(ctx, link, r.Epoch); err != nil {
				i.log.Debug("tell the primary of a change", "err", err)
			}
			continue
		case <-time.After(every):
		}
		if h, err := i.parts.lock.Inspect(ctx); err == nil && h.Announced.Epoch > r.Epoch {
			return
		}
	}
}

// superviseEvery is how often a healthy link's record is looked at.
const superviseEvery = 200 * time.Millisecond
