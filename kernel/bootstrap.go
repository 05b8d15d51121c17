package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/bus"
	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/kernel/internal/pipeline"
	"github.com/ramet-io/ramet/kernel/internal/sqlroute"
	"github.com/ramet-io/ramet/sdk"
)

// Bootstrap joins the workspace: it opens the plugins, walks the pipeline and
// returns a working instance, primary or secondary. It blocks until the role is
// found and, on a secondary, until the primary answers; if that stands still the
// instance is returned all the same and says so in Status.Degraded: reads work,
// writes wait.
//
// ctx bounds Bootstrap only, not the life of the instance. On an error everything
// is released. sdk.ErrInvalid: fix the configuration or the place. Others name the
// stage in *sdk.StageError.
func Bootstrap(ctx context.Context, cfg Config) (*Instance, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.StartTimeout)
		defer cancel()
	}
	ws, err := resolve(cfg.Workdir, cfg.DataPath)
	if err != nil {
		return nil, err
	}
	if _, err := assign(cfg.Plugins); err != nil {
		return nil, err
	}
	if err := claimState(&ws); err != nil {
		return nil, fmt.Errorf("workspace %s: %w", ws.Dir, err)
	}
	parts, err := openParts(ctx, cfg, ws)
	if err != nil {
		return nil, err
	}
	i := newInstance(cfg, ws, parts)
	if err := i.comeUp(ctx); err != nil {
		i.end()
		i.route.close()
		i.roles.close("bootstrap failed")
		return nil, errors.Join(err, i.closeHandles())
	}
	i.db = sqlroute.Open(routed{i.reader, i.client})
	i.localDB = sqlroute.Open(local{routed{i.reader, i.client}})
	go i.run()
	i.meet(ctx)
	i.warn(ctx)
	return i, nil
}

func newInstance(cfg Config, ws sdk.Workspace, parts *parts) *Instance {
	i := &Instance{cfg: cfg, ws: ws, parts: parts, log: cfg.Logger, reason: "start",
		roles: newRoleFeed(), watch: newWatcher(cfg.Failover), hints: newHints(), members: newMembers(),
		events: &eventLog{}, turns: make(chan turn), nudge: make(chan struct{}, 1), done: make(chan struct{}),
		degraded: map[string]string{}}
	i.self = sdk.Record{Instance: cfg.InstanceID, Incarnation: draw(), PID: os.Getpid(),
		Program: cfg.Program, Version: cfg.Version}
	if i.self.Program == "" {
		i.self.Program = filepath.Base(os.Args[0])
	}
	if i.self.Instance == "" {
		i.self.Instance = i.self.Program + "-" + strconv.Itoa(i.self.PID)
	}
	i.life, i.end = context.WithCancel(context.Background())
	i.reader = newReader(i)
	i.route = newRoute(i.hope)
	i.client = forward.NewClient(i.route, i.self.Incarnation, cfg.CallTimeout)
	i.bus = bus.New(busRoute{i.route}, i.self.Incarnation, cfg.CallTimeout)
	i.pipe = pipeline.New(i.observe, i.steps()...)
	i.background = startAll(i.followMembers, i.announceCommits)
	var keepers []func(context.Context)
	for _, p := range parts.plugins {
		keepers = append(keepers, func(ctx context.Context) { i.supervise(ctx, p) })
	}
	i.keepers = startAll(keepers...)
	return i
}

// comeUp advances until it works. A store that is not there yet, or whose writer
// is busy, is waited for: another instance is about to make it. So is a plugin that
// failed, as long as it is opened again.
func (i *Instance) comeUp(ctx context.Context) error {
	for {
		lives, err := i.parts.wait(ctx)
		if err != nil {
			return err
		}
		if i.key, err = i.parts.store.ResourceKey(ctx, i.openOptions(sdk.Secondary)); err != nil {
			err = i.parts.at(sdk.StageStore, "resource key", err)
		} else if err = i.pipe.Advance(ctx); err == nil {
			return nil
		}
		died := slices.ContainsFunc(lives, func(l *life) bool { return l.over.Load() })
		if !errors.Is(err, sdk.ErrUnavailable) && !died || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// meetWithin bounds the wait of a new secondary for its primary's answer.
const meetWithin = 5 * time.Second

// meet waits until a primary answers and has this instance on its list.
func (i *Instance) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, meetWithin)
	defer cancel()
	t, err := i.route.Primary(ctx, 0)
	if err == nil && t.Link != nil {
		err = i.greet(ctx, t.Link, t.Epoch)
	}
	if err != nil {
		i.log.Warn("no primary answers yet; reads work, writes wait", "err", err)
	}
}

// warn logs what the store says an operator should know, as Status does.
func (i *Instance) warn(ctx context.Context) {
	st, err := i.reader.Status(ctx)
	if err != nil {
		i.log.Warn("the store did not tell its state", "err", err)
	}
	for _, w := range st.Warnings {
		i.log.Warn(w)
	}
}

// observe records a step of the pipeline.
func (i *Instance) observe(e pipeline.Event) {
	t := Transition{At: time.Now(), Stage: e.Step, Op: e.Op, Took: e.Took}
	if e.Err != nil {
		t.Err = e.Err.Error()
	}
	i.events.add(t)
	i.log.Debug("stage", "stage", e.Step, "op", e.Op, "took", e.Took, "err", e.Err)
}
