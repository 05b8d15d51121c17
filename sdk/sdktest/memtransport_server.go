package sdktest

import (
	"context"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// memServer is a server without a wire. Its sessions are the links themselves.
type memServer struct {
	r       *memNode
	scope   sdk.Scope
	at      []sdk.Endpoint
	handler sdk.Handler
	closed  chan struct{} // closed when Close is done

	publishing sync.Mutex // one order of events for all

	mu       sync.Mutex // guards sessions and closing
	sessions map[*memLink]struct{}
	closing  bool
}

// Bound implements [sdk.Server].
func (s *memServer) Bound() []sdk.Endpoint { return append([]sdk.Endpoint(nil), s.at...) }

func (s *memServer) enter(l *memLink) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.sessions[l] = struct{}{}
	}
	return !s.closing
}

func (s *memServer) leave(l *memLink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, l)
}

func (s *memServer) all() ([]*memLink, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*memLink
	for l := range s.sessions {
		all = append(all, l)
	}
	return all, s.closing
}

// Publish implements [sdk.Server].
func (s *memServer) Publish(_ context.Context, e sdk.Event) error {
	if err := memCheckEvent(e); err != nil {
		return err
	}
	e.Body = append([]byte(nil), e.Body...)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	all, closing := s.all()
	if closing {
		return fmt.Errorf("%w: the server", sdk.ErrClosed)
	}
	for _, l := range all {
		l.deliver(e)
	}
	return nil
}

// Close implements [sdk.Server].
func (s *memServer) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	s.mu.Unlock()
	if first {
		s.r.net.unbind(s)
		go s.shutdown() // ends when every Handle has; this and later calls wait for it
	}
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a Handle still runs: %w", sdk.ErrUnclean, ctx.Err())
	}
}

func (s *memServer) shutdown() {
	all, _ := s.all()
	var wg sync.WaitGroup
	for _, l := range all {
		wg.Go(func() {
			l.finish(errMemGoodbye)
			<-l.over
		})
	}
	wg.Wait()
	s.r.disown(s)
	close(s.closed)
}
