// Package unix serves the ports and the transport stage over Unix domain
// sockets, for instances of one user on one machine.
//
// # Who may connect
//
// Sockets lie in a private directory (0700, ours, no symbolic link). On Linux
// and macOS both sides also ask the system who the other is, before a byte is
// read: another user is refused. Windows has no such question for AF_UNIX; there
// the directory's access list is the only guard and [sdk.CapPeerIdentity] is not
// declared.
//
// # What is bounded
//
// See limits. A peer that stays silent, sends garbage or does not read loses its
// own connection after a bound and never delays another one. Events for a slow
// subscriber are dropped and counted, calls wait for room, and a call beyond the
// number one link may have running is refused as not executed.
//
// # Goroutines
//
// A link has two: one reads, one goes on with writes that did not fit into the
// socket at once. A session of a server has the same two, one more once it has
// subscribed, and one for each running Handle. Close ends and awaits all of them.
package unix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// Name is the plugin's name and Scheme the one of its endpoints.
const (
	Name   = "transport-unix"
	Scheme = "unix"
)

// New returns the plugin.
func New() sdk.Plugin { return plugin{limits: defaultLimits()} }

type plugin struct{ limits limits }

var _ sdk.Plugin = plugin{}

// Describe implements [sdk.Plugin].
func (plugin) Describe() sdk.Info {
	info := sdk.Info{
		Name:    Name,
		Version: "0.1.0",
		Stages:  []sdk.Stage{sdk.StagePorts, sdk.StageTransport},
		Schemes: []string{Scheme},
		Options: []sdk.Option{{
			Name: "dir",
			Type: sdk.OptionString,
			Doc:  "Absolute path of a directory of ours, 0700, for the sockets; default: the user's runtime directory.",
		}},
	}
	if credentialsKnown {
		info.Capabilities = []sdk.Capability{sdk.CapPeerIdentity}
	}
	return info
}

type options struct {
	Dir string `json:"dir"`
}

func parseOptions(raw []byte) (options, error) {
	var o options
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("%w: options of %s: %v; the only key is \"dir\"", sdk.ErrInvalid, Name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, fmt.Errorf("%w: options of %s: text after the JSON object; remove it", sdk.ErrInvalid, Name)
	}
	if o.Dir != "" && !filepath.IsAbs(o.Dir) {
		return o, fmt.Errorf("%w: option dir of %s is %q; use an absolute path", sdk.ErrInvalid, Name, o.Dir)
	}
	return o, nil
}

// Open implements [sdk.Plugin].
func (p plugin) Open(_ context.Context, env sdk.Env) (sdk.Running, error) {
	o, err := parseOptions(env.Options)
	if err != nil {
		return nil, err
	}
	return &running{
		env:    env,
		opts:   o,
		limits: p.limits,
		owned:  map[closer]struct{}{},
		closed: make(chan struct{}),
	}, nil
}

// closer is a server or a link.
type closer interface{ Close(context.Context) error }

// running is the opened plugin. It owns every server and link until they are
// closed.
type running struct {
	env    sdk.Env
	opts   options
	limits limits
	closed chan struct{} // closed by Close

	mu    sync.Mutex // guards owned and shut
	owned map[closer]struct{}
	shut  bool
}

var _ sdk.Running = (*running)(nil)

func (r *running) Ports() sdk.Ports         { return ports{r.opts} }
func (r *running) Lock() sdk.Lock           { return nil }
func (r *running) Store() sdk.Store         { return nil }
func (r *running) Transport() sdk.Transport { return transport{r} }
func (r *running) Watcher() sdk.Watcher     { return nil }

// WaitHealth implements [sdk.Running]. There is no engine that could degrade.
func (r *running) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		return sdk.Health{Number: 1, Condition: sdk.Ready}, nil
	}
	select {
	case <-r.closed:
		return sdk.Health{}, fmt.Errorf("%w: %s was closed", sdk.ErrClosed, Name)
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
}

// own registers c, so that Close can end it; false if it is too late for that.
func (r *running) own(c closer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return false
	}
	r.owned[c] = struct{}{}
	return true
}

func (r *running) disown(c closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owned, c)
}

func (r *running) isShut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shut
}

// Close implements [sdk.Running].
func (r *running) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.shut {
		r.shut = true
		close(r.closed)
	}
	var all []closer
	for c := range r.owned {
		all = append(all, c)
	}
	r.mu.Unlock()

	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { errs[i] = c.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
