package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// parts are the plugins and the stages they serve.
type parts struct {
	plugins []*plugin // in the order of Config.Plugins
	byStage map[sdk.Stage]*plugin
	changed chan struct{} // holds one: a plugin failed, came back or was given up

	ports     sdk.Ports
	lock      sdk.Lock
	store     sdk.Store
	transport sdk.Transport
	watcher   sdk.Watcher
}

// assign checks that each stage is served exactly once and that what the ports
// give is what the transport takes. All faults are joined.
func assign(plugins []sdk.Plugin) (map[sdk.Stage]sdk.Plugin, error) {
	by := map[sdk.Stage]sdk.Plugin{}
	var faults []error
	for _, p := range plugins {
		for _, s := range p.Describe().Stages {
			if !slices.Contains(sdk.Stages(), s) {
				faults = append(faults, fmt.Errorf("%w: plugin %s serves an unknown stage %q", sdk.ErrInvalid, p.Describe().Name, s))
			} else if prev, ok := by[s]; ok {
				faults = append(faults, fmt.Errorf("%w: stage %s is served by both %s and %s; keep one",
					sdk.ErrInvalid, s, prev.Describe().Name, p.Describe().Name))
			} else {
				by[s] = p
			}
		}
	}
	for _, s := range sdk.Stages() {
		if by[s] == nil {
			faults = append(faults, fmt.Errorf("%w: no plugin serves stage %s; Config.Plugins usually is bundled.All()", sdk.ErrInvalid, s))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	takes := by[sdk.StageTransport].Describe().Schemes
	for _, scheme := range by[sdk.StagePorts].Describe().Schemes {
		if !slices.Contains(takes, scheme) {
			return nil, fmt.Errorf("%w: ports plugin %s gives %s: endpoints, transport plugin %s takes %v; choose two that fit",
				sdk.ErrInvalid, by[sdk.StagePorts].Describe().Name, scheme, by[sdk.StageTransport].Describe().Name, takes)
		}
	}
	return by, nil
}

// openParts opens each plugin once. On failure what was opened is closed.
func openParts(ctx context.Context, cfg Config, ws sdk.Workspace) (*parts, error) {
	if _, err := assign(cfg.Plugins); err != nil {
		return nil, err
	}
	if err := checkNames(cfg); err != nil {
		return nil, err
	}
	ps := &parts{byStage: map[sdk.Stage]*plugin{}, changed: make(chan struct{}, 1)}
	for _, have := range cfg.Plugins {
		p := &plugin{Plugin: have, info: have.Describe(), changed: make(chan struct{})}
		p.env = sdk.Env{Logger: cfg.Logger.Named(p.info.Name), Workspace: ws, Options: cfg.Options[p.info.Name]}
		var err error
		if p.budget.Restart, err = cfg.Restarts[p.info.Name].withDefaults(); err != nil {
			return nil, errors.Join(fmt.Errorf("Config.Restarts of plugin %s: %w", p.info.Name, err), ps.close(ctx))
		}
		if err := p.start(ctx); err != nil {
			return nil, errors.Join(err, ps.close(ctx))
		}
		ps.plugins = append(ps.plugins, p)
		for _, s := range p.info.Stages {
			ps.byStage[s] = p
		}
	}
	ps.ports = portsStage{ps.byStage[sdk.StagePorts]}
	ps.lock = lockStage{ps.byStage[sdk.StageLock]}
	ps.store = storeStage{ps.byStage[sdk.StageStore]}
	ps.transport = secured{transportStage{ps.byStage[sdk.StageTransport]}, ws.StateDir, cfg.Logger}
	ps.watcher = watcherStage{ps.byStage[sdk.StageWatcher]}
	return ps, nil
}

// checkNames checks that what is said of plugins by name is said of one that is
// there.
func checkNames(cfg Config) error {
	there := func(name string) bool {
		return slices.ContainsFunc(cfg.Plugins, func(p sdk.Plugin) bool { return p.Describe().Name == name })
	}
	for name := range cfg.Options {
		if !there(name) {
			return fmt.Errorf("%w: Config.Options names plugin %q, which is not in Config.Plugins", sdk.ErrInvalid, name)
		}
	}
	for name := range cfg.Restarts {
		if !there(name) {
			return fmt.Errorf("%w: Config.Restarts names plugin %q, which is not in Config.Plugins", sdk.ErrInvalid, name)
		}
	}
	return nil
}

// kick makes run look at the plugins.
func (ps *parts) kick() {
	select {
	case ps.changed <- struct{}{}:
	default:
	}
}

// vital are the stages that an instance must have to serve. Endpoints are known once
// asked for, and the watcher judges others.
var vital = []sdk.Stage{sdk.StageLock, sdk.StageStore, sdk.StageTransport}

// unfit returns why this instance cannot serve with the plugins as they are; nil if
// it can.
func (ps *parts) unfit() error {
	for _, s := range vital {
		if _, err := ps.byStage[s].up(); err != nil {
			return err
		}
	}
	return nil
}

// returning reports whether a plugin that this instance must have to serve is being
// opened again.
func (ps *parts) returning() bool {
	return slices.ContainsFunc(vital, func(s sdk.Stage) bool { return ps.byStage[s].returning() })
}

// wait blocks until every plugin is up, and returns their lives, or why one will not
// be.
func (ps *parts) wait(ctx context.Context) ([]*life, error) {
	var lives []*life
	for _, p := range ps.plugins {
		l, err := p.wait(ctx)
		if err != nil {
			return nil, &sdk.StageError{Stage: p.info.Stages[0], Plugin: p.info.Name, Op: "open", Err: err}
		}
		lives = append(lives, l)
	}
	return lives, nil
}

// apart reports whether the plugin of s is a process of its own, which may die
// while this one goes on.
func (ps *parts) apart(s sdk.Stage) bool {
	l, err := ps.byStage[s].up()
	return err == nil && l.health.Load().PID != 0
}

// at names the stage in an error, once.
func (ps *parts) at(s sdk.Stage, op string, err error) error {
	var have *sdk.StageError
	if err == nil || errors.As(err, &have) {
		return err
	}
	return &sdk.StageError{Stage: s, Plugin: ps.byStage[s].info.Name, Op: op, Err: err}
}

// close ends all plugins. Their supervisors have ended.
func (ps *parts) close(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(ps.plugins) {
		if err := p.now.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close plugin %s: %w", p.info.Name, err))
		}
	}
	return errors.Join(errs...)
}

// status reports the stages with their health.
func (ps *parts) status() []StageStatus {
	counters := make([]map[string]uint64, len(ps.plugins))
	var asked sync.WaitGroup
	for n, p := range ps.plugins {
		if l, err := p.up(); err == nil {
			asked.Go(func() { counters[n] = l.counters() })
		}
	}
	asked.Wait()
	var out []StageStatus
	for _, s := range sdk.Stages() {
		p := ps.byStage[s]
		st := p.status(s)
		st.Counters = counters[slices.Index(ps.plugins, p)]
		out = append(out, st)
	}
	return out
}

func (p *plugin) status(s sdk.Stage) StageStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.now.health.Load()
	st := StageStatus{Stage: s, Plugin: p.info.Name, Version: p.info.Version, Mode: ModeBundled, PID: h.PID,
		Restarts: p.restarts, Health: h.Condition.String(), Reason: h.Reason}
	if h.PID != 0 {
		st.Mode = ModeExternal
	}
	if p.now.over.Load() {
		st.Health, st.Reason = sdk.Failed.String(), p.now.why().Error()
	}
	if p.away != nil {
		st.Reason = p.away.Error()
	}
	return st
}
