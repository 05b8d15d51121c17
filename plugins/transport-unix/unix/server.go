package unix

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// server accepts connections, proves each in a goroutine of its own and keeps
// the sessions that come of it.
type server struct {
	r         *running
	scope     sdk.Scope
	endpoints []sdk.Endpoint
	listeners []*listener
	handler   sdk.Handler
	name      string // prefix of session ids

	wg     sync.WaitGroup // accepting and handshakes
	closed chan struct{}  // closed when Close is done

	publishing sync.Mutex // makes the order of events the same for every subscriber

	mu       sync.Mutex // guards all below
	unproved []*net.UnixConn
	sessions map[*session]struct{}
	count    uint64
	closing  bool
}

var _ sdk.Server = (*server)(nil)

func newServer(r *running, s sdk.Scope, at []sdk.Endpoint, bound []*listener, h sdk.Handler) *server {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	srv := &server{
		r: r, scope: s, endpoints: append([]sdk.Endpoint(nil), at...), listeners: bound, handler: h,
		name:     hex.EncodeToString(random[:]) + "-",
		closed:   make(chan struct{}),
		sessions: map[*session]struct{}{},
	}
	for _, l := range bound {
		srv.wg.Go(func() { srv.accept(l) })
	}
	return srv
}

// Bound implements [sdk.Server].
func (s *server) Bound() []sdk.Endpoint { return append([]sdk.Endpoint(nil), s.endpoints...) }

// accept admits connections until the listener is closed. It reads nothing: a
// silent peer must not delay the next one.
func (s *server) accept(l *listener) {
	pause := newBackoff()
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, most likely: it passes
			s.r.env.Log().Warn("a connection could not be accepted", "path", l.path, "err", err)
			if !pause.wait(s.r.closed, s.closed) {
				return
			}
			continue
		}
		pause.reset()
		if s.admit(c) {
			s.wg.Go(func() { s.prove(c) })
		}
	}
}

// admit makes room among the unproved by cutting the oldest: an honest peer is
// through in a millisecond, so the oldest is the silent one.
func (s *server) admit(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		_ = c.Close()
		return false
	}
	if len(s.unproved) >= s.r.limits.unproved {
		_ = s.unproved[0].Close()
		s.unproved = s.unproved[1:]
	}
	s.unproved = append(s.unproved, c)
	return true
}

func (s *server) forget(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.unproved {
		if have == c {
			s.unproved = append(s.unproved[:i], s.unproved[i+1:]...)
			return
		}
	}
}

// prove makes a session of a connection, or closes it.
func (s *server) prove(c *net.UnixConn) {
	var peer sdk.Peer
	err := withDeadline(context.Background(), c, s.r.limits.handshake, func() (err error) {
		peer, err = answer(c, s.scope)
		return err
	})
	s.forget(c)
	if err == nil {
		err = s.open(c, peer)
	}
	if errors.Is(err, errClosing) { // the client believes that it is linked
		_ = c.SetWriteDeadline(time.Now().Add(s.r.limits.goodbye))
		_, _ = c.Write(appendFrame(nil, kindGoodbye, 0, []byte{1}))
	}
	if err != nil {
		_ = c.Close()
		if !errors.Is(err, errProbe) && !s.isClosing() {
			s.r.env.Log().Debug("a connection was refused", "path", s.listeners[0].path, "pid", peer.PID, "err", err)
		}
	}
}

func (s *server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// open starts a session.
func (s *server) open(c *net.UnixConn, peer sdk.Peer) error {
	p, err := newPipe(c, s.r.limits)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errClosing
	}
	s.count++
	peer.Session = s.name + strconv.FormatUint(s.count, 10)
	sess := newSession(s, p, peer)
	s.sessions[sess] = struct{}{}
	sess.begin()
	return nil
}

// drop removes a session that has ended.
func (s *server) drop(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
}

func (s *server) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for sess := range s.sessions {
		all = append(all, sess)
	}
	return all
}

// Publish implements [sdk.Server]. It queues and returns; the sessions send.
func (s *server) Publish(_ context.Context, e sdk.Event) error {
	if err := checkEvent(e); err != nil {
		return err
	}
	if s.isClosing() {
		return fmt.Errorf("%w: the server", sdk.ErrClosed)
	}
	tail := encodeEvent(e)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	for _, sess := range s.all() {
		sess.fan.push(e.Topic, tail, e.Lost)
	}
	return nil
}

var errClosing = fmt.Errorf("%w: the server is closing", sdk.ErrUnavailable)

// Close implements [sdk.Server]. It must not be called from a Handle of this
// server, which it would wait for.
func (s *server) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	unproved := s.unproved
	s.unproved = nil
	s.mu.Unlock()
	if first {
		for _, l := range s.listeners {
			l.unbind()
		}
		for _, c := range unproved {
			_ = c.CloseRead() // who is silent ends; who was just proved gets a goodbye
		}
		go s.shutdown(ctx) // ends when every Handle has; this and later calls wait for it
	}
	select {
	case <-s.closed:
		return nil
	default:
	}
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a Handle still runs: %w", sdk.ErrUnclean, ctx.Err())
	}
}

// shutdown takes leave of all sessions at once and waits for them.
func (s *server) shutdown(ctx context.Context) {
	var wg sync.WaitGroup
	for _, sess := range s.all() {
		wg.Go(func() { sess.leave(ctx) })
	}
	wg.Wait()
	s.wg.Wait()
	s.r.disown(s)
	close(s.closed)
}
