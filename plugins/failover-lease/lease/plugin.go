package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// New returns the plugin. It does no I/O.
func New() sdk.Plugin { return plugin{} }

type plugin struct{}

// Describe says what the plugin is.
func (plugin) Describe() sdk.Info {
	return sdk.Info{
		Name:         "failover-lease",
		Version:      "0.1.0",
		Stages:       []sdk.Stage{sdk.StageLock, sdk.StageWatcher},
		Capabilities: []sdk.Capability{sdk.CapTakeover, sdk.CapLiveness},
		Options: []sdk.Option{
			{Name: "ttl", Type: sdk.OptionDuration, Default: defaultTTL.String(), Min: minTTL.String(),
				Doc: "How long a primary may show no sign of life before it may be displaced."},
			{Name: "allow_unsafe_filesystem", Type: sdk.OptionBool, Default: "false",
				Doc: "Use the state directory even on a file system whose locks are known not to hold."},
		},
	}
}

// Open starts the plugin for one instance. It touches no file: a workspace that
// is only inspected stays as it is.
func (plugin) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := parseOptions(env.Options)
	if err != nil {
		return nil, err
	}
	if env.Workspace.StateDir == "" {
		return nil, fmt.Errorf("%w: failover-lease got no state directory; set Workspace.StateDir", sdk.ErrInvalid)
	}
	r := &running{opened: time.Now(), closed: make(chan struct{})}
	r.lock = newLocker(env, o)
	r.watcher = watcher{ttl: o.ttl}
	return r, nil
}

// running is the opened plugin. It owns the leases that were granted.
type running struct {
	opened    time.Time
	lock      *locker
	watcher   watcher
	closeOnce sync.Once
	closed    chan struct{} // closed by Close
}

var _ sdk.Running = (*running)(nil)

func (r *running) Ports() sdk.Ports         { return nil }
func (r *running) Lock() sdk.Lock           { return r.lock }
func (r *running) Store() sdk.Store         { return nil }
func (r *running) Transport() sdk.Transport { return nil }
func (r *running) Watcher() sdk.Watcher     { return r.watcher }

// WaitHealth reports ready, and then blocks: there is no engine that could fail.
func (r *running) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen != 1 {
		return sdk.Health{Number: 1, Condition: sdk.Ready, For: time.Since(r.opened)}, nil
	}
	select {
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	case <-r.closed:
		return sdk.Health{}, fmt.Errorf("%w: failover-lease", sdk.ErrClosed)
	}
}

// Close ends waiting calls and releases what is still leased. Afterwards nothing
// of it can win the lock.
func (r *running) Close(ctx context.Context) error {
	r.closeOnce.Do(func() { close(r.closed) })
	return r.lock.close(ctx)
}
