package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Server accepts connections, proves each in a goroutine of its own and keeps the
// sessions that come of it. It implements [sdk.Server].
type Server struct {
	host      *Host
	endpoints []sdk.Endpoint
	listeners []Listener
	handler   sdk.Handler
	answer    Answer
	name      string // prefix of session ids

	wg     sync.WaitGroup // accepting and handshakes
	closed chan struct{}  // closed when Close is done

	publishing sync.Mutex // makes the order of events the same for every subscriber; guards recent
	recent     recent

	mu       sync.Mutex // guards all below
	unproved []Conn
	sessions map[*session]struct{}
	count    uint64
	closing  bool
}

var _ sdk.Server = (*Server)(nil)

// newServer serves at endpoints that are bound already, listeners in the same order.
// They are the server's from now on, also after an error.
func newServer(host *Host, at []sdk.Endpoint, bound []Listener, h sdk.Handler, answer Answer) (*Server, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	srv := &Server{
		host: host, endpoints: append([]sdk.Endpoint(nil), at...), listeners: bound, handler: h, answer: answer,
		name:     hex.EncodeToString(random[:]) + "-",
		closed:   make(chan struct{}),
		sessions: map[*session]struct{}{},
	}
	for i, l := range bound {
		srv.wg.Go(func() { srv.accept(l, at[i]) })
	}
	if !host.own(srv) {
		_ = srv.Close(context.Background())
		return nil, host.ErrShut()
	}
	return srv, nil
}

// Bound implements [sdk.Server].
func (s *Server) Bound() []sdk.Endpoint { return append([]sdk.Endpoint(nil), s.endpoints...) }

// accept admits connections until the listener is closed. It reads nothing: a
// silent peer must not delay the next one.
func (s *Server) accept(l Listener, at sdk.Endpoint) {
	pause := newBackoff()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, most likely: it passes
			s.host.log.Warn("a connection could not be accepted", "endpoint", at, "err", err)
			if !pause.wait(s.host.closed, s.closed) {
				return
			}
			continue
		}
		pause.reset()
		if c := c.(Conn); s.admit(c) {
			s.wg.Go(func() { s.prove(c, at) })
		}
	}
}

// admit makes room among the unproved by cutting the oldest: an honest peer is
// through in a millisecond, so the oldest is the silent one.
func (s *Server) admit(c Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		_ = c.Close()
		return false
	}
	if len(s.unproved) >= s.host.Limits.Unproved {
		_ = s.unproved[0].Close()
		s.unproved = s.unproved[1:]
	}
	s.unproved = append(s.unproved, c)
	return true
}

func (s *Server) forget(c Conn) {
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
func (s *Server) prove(c Conn, at sdk.Endpoint) {
	var codec Codec
	var peer sdk.Peer
	err := WithDeadline(context.Background(), c, s.host.Limits.Handshake, func() (err error) {
		codec, peer, err = s.answer(c)
		return err
	})
	s.forget(c)
	if err == nil {
		err = s.open(c, codec, peer)
	}
	if errors.Is(err, errClosing) { // the client believes that it is linked
		codec.Start(func([]byte) {})
		_ = c.SetWriteDeadline(time.Now().Add(s.host.Limits.Goodbye))
		_, _ = c.Write(codec.Append(nil, KindGoodbye, 0, nil, []byte{1}))
	}
	if err == nil {
		return
	}
	_ = c.Close()
	switch {
	case errors.Is(err, ErrProbe), errors.Is(err, io.EOF), s.isClosing():
		s.host.log.Debug("a connection ended before it was a session", "endpoint", at, "err", err)
	default:
		s.host.refused(err, "a connection was refused", "endpoint", at, "pid", peer.PID)
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// open starts a session.
func (s *Server) open(c Conn, codec Codec, peer sdk.Peer) error {
	p, err := newPipe(s.host, c, codec)
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
func (s *Server) drop(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
}

// Sessions returns how many peers are connected.
func (s *Server) Sessions() int { return len(s.all()) }

func (s *Server) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for sess := range s.sessions {
		all = append(all, sess)
	}
	return all
}

// Publish implements [sdk.Server]. It queues and returns; the sessions send.
func (s *Server) Publish(_ context.Context, e sdk.Event) error {
	if err := checkEvent(e); err != nil {
		return err
	}
	if s.isClosing() {
		return fmt.Errorf("%w: the server", sdk.ErrClosed)
	}
	tail := encodeEvent(e)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	k := s.recent.add(kept{topic: e.Topic, tail: tail, lost: e.Lost}, s.host.Limits)
	for _, sess := range s.all() {
		sess.fan.push(k)
	}
	return nil
}

// subscribe adds a subscription to a session's. With after it begins with the events
// that came after that number, as far as they are kept.
func (s *Server) subscribe(f *fanout, id uint64, prefix string, after uint64) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	missed, lost, err := s.recent.since(after)
	if err != nil {
		return err
	}
	if err := f.add(id, prefix, lost); err != nil {
		return err
	}
	f.repeat(id, missed)
	return nil
}

var errClosing = fmt.Errorf("%w: the server is closing", sdk.ErrUnavailable)

// Close implements [sdk.Server]. It must not be called from a Handle of this
// server, which it would wait for.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	unproved := s.unproved
	s.unproved = nil
	s.mu.Unlock()
	if first {
		for _, l := range s.listeners {
			l.Unbind()
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
func (s *Server) shutdown(ctx context.Context) {
	var wg sync.WaitGroup
	for _, sess := range s.all() {
		wg.Go(func() { sess.leave(ctx) })
	}
	wg.Wait()
	s.wg.Wait()
	s.host.disown(s)
	close(s.closed)
}
