package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ramet-io/ramet/sdk"
)

// maxIdle is how many workers of a session wait for the next call; a burst may
// make more, which end after it.
const maxIdle = 16

// session is the server's side of a connection.
type session struct {
	*pipe
	srv    *Server
	peer   sdk.Peer
	fan    *fanout
	ctx    context.Context // of its Handles; ends with the connection
	cancel context.CancelFunc
	ops    map[string]string // names of operations seen; the reader's
	idle   chan task         // to a worker that has nothing to do
	over   chan struct{}     // closed after Ended
	idlers atomic.Int32      // workers that wait for a task

	mu       sync.Mutex // guards all below
	running  map[uint64]context.CancelFunc
	bodies   int           // bytes of the running calls' bodies
	draining bool          // no call is begun any more
	drained  chan struct{} // closed when draining and none runs
}

// task is a call to be handled.
type task struct {
	id     uint64
	m      sdk.Message
	size   int // of the body, kept because a Handle may not change the account
	ctx    context.Context
	cancel context.CancelFunc
}

func newSession(srv *Server, p *pipe, peer sdk.Peer) *session {
	s := &session{
		pipe: p, srv: srv, peer: peer,
		ops:     map[string]string{},
		idle:    make(chan task),
		over:    make(chan struct{}),
		running: map[uint64]context.CancelFunc{},
		drained: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	s.fan = newFanout(p)
	return s
}

func (s *session) begin() {
	s.start(s.read)
}

// read is the session's reader. When the connection ends it ends the session.
func (s *session) read() {
	for {
		f, err := s.codec.Read()
		if err == nil {
			err = s.receive(f)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// end cancels what runs, waits for it, and tells the handler, once.
func (s *session) end(err error) {
	if isForeign(err) {
		s.host.refused(err, "a peer sent what is not our protocol; its link is cut",
			"pid", s.peer.PID, "instance", s.peer.Scope.Instance)
	} else if !errors.Is(err, io.EOF) {
		s.host.log.Debug("a session ended", "pid", s.peer.PID, "err", err)
	}
	s.cut(explain(err))
	s.cancel()
	if errors.Is(s.why, errStalled) {
		s.host.note(CountStalled, 1, "a peer reads nothing; its link is cut", "pid", s.peer.PID, "instance", s.peer.Scope.Instance)
	}
	s.drain()
	<-s.drained
	s.srv.drop(s)
	s.srv.handler.Ended(s.peer)
	close(s.over)
}

func (s *session) receive(f Frame) error {
	switch f.Kind {
	case KindCall:
		return s.call(f)
	case KindCancel:
		s.mu.Lock()
		cancel := s.running[f.ID]
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
	case KindPublish:
		e, err := decodeEvent(f.Payload)
		if err != nil {
			return err
		}
		s.srv.handler.Published(s.ctx, s.peer, e)
	case KindSubscribe:
		return s.subscribe(f)
	case KindUnsubscribe:
		s.fan.remove(f.ID)
	default:
		return fmt.Errorf("%w: frame of unknown kind %d", sdk.ErrInvalid, f.Kind)
	}
	return nil
}

func (s *session) subscribe(f Frame) error {
	after, prefix, err := decodeSubscribe(f.Payload)
	if err != nil {
		return err
	}
	if err := s.srv.subscribe(s.fan, f.ID, prefix, after); err != nil {
		s.post(KindFail, f.ID, encodeError(err))
		return nil
	}
	s.post(KindReply, f.ID, nil)
	return nil
}

// call begins a call, or refuses it.
func (s *session) call(f Frame) error {
	m, err := decodeCall(f.Payload, s.opName)
	if err != nil {
		return err
	}
	t := task{id: f.ID, m: m, size: len(m.Body)}
	if m.Timeout > 0 {
		t.ctx, t.cancel = context.WithTimeout(s.ctx, m.Timeout)
	} else {
		t.ctx, t.cancel = context.WithCancel(s.ctx)
	}
	if err := s.admit(t); err != nil {
		t.cancel()
		if !errors.Is(err, errClosing) {
			s.host.note(CountCalls, 1, "a call was refused", "instance", s.peer.Scope.Instance, "err", err)
		}
		s.post(KindFail, f.ID, encodeError(err))
		return nil
	}
	select {
	case s.idle <- t:
	default:
		s.wg.Go(func() { s.work(t) })
	}
	return nil
}

// opName returns the string of an operation without making it anew each time.
func (s *session) opName(b []byte) string {
	if name, ok := s.ops[string(b)]; ok {
		return name
	}
	name := string(b)
	if len(s.ops) < 64 {
		s.ops[name] = name
	}
	return name
}

func (s *session) admit(t task) error {
	l := s.host.Limits
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return errClosing
	case len(s.running) >= l.Handles, len(s.running) > 0 && s.bodies+t.size > l.HandleBytes:
		return fmt.Errorf("%w: %d calls with %d bytes run on this link; retry later", sdk.ErrUnavailable, len(s.running), s.bodies)
	case s.running[t.id] != nil:
		return fmt.Errorf("%w: call %d is running already", sdk.ErrInvalid, t.id)
	}
	s.running[t.id] = t.cancel
	s.bodies += t.size
	return nil
}

// work handles t and then whatever comes while it is idle.
func (s *session) work(t task) {
	for {
		s.handle(t)
		if s.idlers.Add(1) > maxIdle {
			s.idlers.Add(-1)
			return
		}
		select {
		case t = <-s.idle:
			s.idlers.Add(-1)
		case <-s.done:
			return
		}
	}
}

// handle runs one Handle and sends its answer.
func (s *session) handle(t task) {
	body, err := s.srv.handler.Handle(t.ctx, s.peer, t.m)
	t.cancel()
	if err == nil {
		err = checkBody("answer", body)
	}
	kind := byte(KindReply)
	if err != nil {
		kind, body = KindFail, encodeError(err)
	}
	crowd := s.others() > crowded
	if s.out.begin(s.ctx, s.host.Limits.OutBytes) == nil {
		s.out.appendLocked(kind, t.id, nil, body)
		s.out.commit(crowd)
	}
	s.finish(t)
}

func (s *session) others() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

func (s *session) finish(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, t.id)
	s.bodies -= t.size
	if s.draining && len(s.running) == 0 {
		close(s.drained)
	}
}

// drain begins no call any more. drained is closed when the last has been
// answered.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	if len(s.running) == 0 {
		close(s.drained)
	}
}

// cancelRunning cancels the Handles but not the session, which still answers.
func (s *session) cancelRunning() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.running {
		cancel()
	}
}

// leave ends the session with a goodbye. The goodbye comes after the answers of
// all calls that were begun, so that the client knows the others were not.
func (s *session) leave(ctx context.Context) {
	s.drain()
	s.cancelRunning()
	complete := []byte{1}
	select {
	case <-s.drained:
	case <-s.done:
	case <-ctx.Done():
		select {
		case <-s.drained:
		default:
			complete[0] = 0
		}
	}
	brief, cancel := context.WithTimeout(context.Background(), s.host.Limits.Goodbye)
	s.fan.flush(brief)
	s.fan.stop()
	s.post(KindGoodbye, 0, complete)
	_ = s.out.drain(brief) // best effort: the end of the connection tells the rest
	cancel()
	s.cut(errClosing)
	<-s.over
	s.wg.Wait()
}
