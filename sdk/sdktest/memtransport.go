package sdktest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// MemTransport returns a plugin that serves the ports and the transport stage
// inside one process, for simulations: instances that were opened from the same
// plugin value reach each other and no others. It opens no file and no socket and
// waits on nothing but channels, so it also works inside testing/synctest.
func MemTransport() sdk.Plugin {
	return &memTransportPlugin{servers: map[sdk.Endpoint]*memServer{}}
}

// memTransportPlugin is also the network: it knows who serves where.
type memTransportPlugin struct {
	mu      sync.Mutex // guards servers and count
	servers map[sdk.Endpoint]*memServer
	count   int
}

// Describe implements [sdk.Plugin].
func (*memTransportPlugin) Describe() sdk.Info {
	return sdk.Info{
		Name:    "transport-mem",
		Version: "0.1.0",
		Stages:  []sdk.Stage{sdk.StagePorts, sdk.StageTransport},
		Schemes: []string{"mem"},
	}
}

// Open implements [sdk.Plugin]. It takes no options.
func (p *memTransportPlugin) Open(_ context.Context, env sdk.Env) (sdk.Running, error) {
	if s := string(env.Options); s != "" && s != "{}" {
		return nil, fmt.Errorf("%w: transport-mem takes no options, got %s", sdk.ErrInvalid, s)
	}
	return &memNode{net: p, closed: make(chan struct{}), owned: map[memCloser]struct{}{}}, nil
}

type memCloser interface{ Close(context.Context) error }

// memNode is one opening; it owns the servers and links made through it.
type memNode struct {
	net    *memTransportPlugin
	closed chan struct{}

	mu    sync.Mutex // guards owned and shut
	owned map[memCloser]struct{}
	shut  bool
}

func (r *memNode) Ports() sdk.Ports         { return memPorts{} }
func (r *memNode) Lock() sdk.Lock           { return nil }
func (r *memNode) Store() sdk.Store         { return nil }
func (r *memNode) Transport() sdk.Transport { return r }
func (r *memNode) Watcher() sdk.Watcher     { return nil }

// WaitHealth implements [sdk.Running]: always ready.
func (r *memNode) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		return sdk.Health{Number: 1, Condition: sdk.Ready}, nil
	}
	select {
	case <-r.closed:
		return sdk.Health{}, fmt.Errorf("%w: transport-mem", sdk.ErrClosed)
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
}

// Close implements [sdk.Running].
func (r *memNode) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.shut {
		r.shut = true
		close(r.closed)
	}
	var all []memCloser
	for c := range r.owned {
		all = append(all, c)
	}
	r.mu.Unlock()
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close(ctx))
	}
	return errors.Join(errs...)
}

// own registers c; false after Close.
func (r *memNode) own(c memCloser) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.shut {
		r.owned[c] = struct{}{}
	}
	return !r.shut
}

func (r *memNode) disown(c memCloser) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owned, c)
}

type memPorts struct{}

// Candidates implements [sdk.Ports].
func (memPorts) Candidates(_ context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	sets := make([][]sdk.Endpoint, 3)
	for i := range sets {
		sets[i] = []sdk.Endpoint{sdk.Endpoint(fmt.Sprintf("mem:%x/%d", w.Key, i))}
	}
	return sets, nil
}

// Serve implements [sdk.Transport].
func (r *memNode) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	if len(at) == 0 || h == nil {
		return nil, fmt.Errorf("%w: Serve needs an endpoint and a handler", sdk.ErrInvalid)
	}
	srv := &memServer{
		r: r, scope: s, at: append([]sdk.Endpoint(nil), at...), handler: h,
		sessions: map[*memLink]struct{}{}, closed: make(chan struct{}),
	}
	if err := r.net.bind(srv); err != nil {
		return nil, err
	}
	if !r.own(srv) {
		_ = srv.Close(ctx)
		return nil, fmt.Errorf("%w: transport-mem", sdk.ErrClosed)
	}
	return srv, nil
}

func (p *memTransportPlugin) bind(s *memServer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range s.at {
		if have := p.servers[e]; have != nil {
			o := have.scope
			return &sdk.HeldError{What: string(e), Holder: sdk.Record{
				Instance: o.Instance, Incarnation: o.Incarnation, PID: o.PID, Epoch: o.Epoch, Workspace: o.Workspace,
			}}
		}
	}
	for _, e := range s.at {
		p.servers[e] = s
	}
	return nil
}

// unbind removes what is still s's own.
func (p *memTransportPlugin) unbind(s *memServer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range s.at {
		if p.servers[e] == s {
			delete(p.servers, e)
		}
	}
}

// find returns who serves at one of to, and a number for the new session.
func (p *memTransportPlugin) find(to []sdk.Endpoint) (*memServer, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	for _, e := range to {
		if s := p.servers[e]; s != nil {
			return s, strconv.Itoa(p.count)
		}
	}
	return nil, ""
}

// Dial implements [sdk.Transport].
func (r *memNode) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, ctx.Err())
	}
	srv, id := r.net.find(to)
	switch {
	case srv == nil:
		return nil, fmt.Errorf("%w: nobody serves at %v", sdk.ErrUnavailable, to)
	case srv.scope.Workspace != s.Workspace:
		return nil, fmt.Errorf("%w: workspace %s is served at %v, not %s", sdk.ErrInvalid, srv.scope.Workspace, to, s.Workspace)
	case srv.scope.Epoch < s.Epoch:
		return nil, fmt.Errorf("%w: epoch %d is served at %v, at least %d is wanted", sdk.ErrFenced, srv.scope.Epoch, to, s.Epoch)
	}
	l := newMemLink(r, srv, memPeer(id, s))
	if !srv.enter(l) {
		return nil, fmt.Errorf("%w: the server is closing", sdk.ErrUnavailable)
	}
	if !r.own(l) {
		_ = l.Close(ctx)
		return nil, fmt.Errorf("%w: transport-mem", sdk.ErrClosed)
	}
	return l, nil
}

func memPeer(session string, s sdk.Scope) sdk.Peer {
	s.Secret = nil
	return sdk.Peer{Session: session, Scope: s, UID: -1}
}
