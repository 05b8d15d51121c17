package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ramet-io/ramet/sdk"
)

// parts are the opened plugins and the stages they serve.
type parts struct {
	infos   map[sdk.Stage]sdk.Info
	running []sdk.Running
	byStage map[sdk.Stage]sdk.Running

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
	by, err := assign(cfg.Plugins)
	if err != nil {
		return nil, err
	}
	for name := range cfg.Options {
		if !slices.ContainsFunc(cfg.Plugins, func(p sdk.Plugin) bool { return p.Describe().Name == name }) {
			return nil, fmt.Errorf("%w: Config.Options names plugin %q, which is not in Config.Plugins", sdk.ErrInvalid, name)
		}
	}
	ps := &parts{infos: map[sdk.Stage]sdk.Info{}, byStage: map[sdk.Stage]sdk.Running{}}
	for _, p := range cfg.Plugins {
		info := p.Describe()
		r, err := p.Open(ctx, sdk.Env{Logger: cfg.Logger.Named(info.Name), Workspace: ws, Options: cfg.Options[info.Name]})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open plugin %s: %w", info.Name, err), ps.close(ctx))
		}
		ps.running = append(ps.running, r)
		for _, s := range info.Stages {
			ps.byStage[s], ps.infos[s] = r, by[s].Describe()
		}
	}
	ps.ports = ps.byStage[sdk.StagePorts].Ports()
	ps.lock = ps.byStage[sdk.StageLock].Lock()
	ps.store = ps.byStage[sdk.StageStore].Store()
	ps.transport = ps.byStage[sdk.StageTransport].Transport()
	ps.watcher = ps.byStage[sdk.StageWatcher].Watcher()
	return ps, nil
}

// at names the stage in an error, once.
func (ps *parts) at(s sdk.Stage, op string, err error) error {
	var have *sdk.StageError
	if err == nil || errors.As(err, &have) {
		return err
	}
	return &sdk.StageError{Stage: s, Plugin: ps.infos[s].Name, Op: op, Err: err}
}

func (ps *parts) close(ctx context.Context) error {
	var errs []error
	for n := len(ps.running) - 1; n >= 0; n-- {
		errs = append(errs, ps.running[n].Close(ctx))
	}
	return errors.Join(errs...)
}

// status reports the stages with their health.
func (ps *parts) status(ctx context.Context) []StageStatus {
	var out []StageStatus
	for _, s := range sdk.Stages() {
		info := ps.infos[s]
		st := StageStatus{Stage: s, Plugin: info.Name, Version: info.Version}
		h, err := ps.byStage[s].WaitHealth(ctx, 0)
		if err != nil {
			st.Health, st.Reason = "unknown", err.Error()
		} else {
			st.Health, st.Reason = h.Condition.String(), h.Reason
		}
		out = append(out, st)
	}
	return out
}
