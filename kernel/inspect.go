package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Status reports what this instance knows. A secondary asks the primary for the
// list of instances; if that fails the list is the last one known.
func (i *Instance) Status(ctx context.Context) (Status, error) {
	now := i.roles.current()
	st := Status{Dir: i.ws.Dir, Data: i.ws.DataPath, Self: i.self.Incarnation, Role: now.Role,
		Epoch: now.Primary.Epoch, Primary: now.Primary.Instance, Endpoints: now.Primary.Endpoints,
		Workspace: now.Primary.Workspace, Failover: i.watch.Enabled(), Verdict: i.watch.Verdict(),
		Stages: i.parts.status(), Transitions: i.events.list(), Degraded: i.faults(), Counters: i.counters.read(i.client.Replayed())}
	if now.Role == sdk.Primary {
		st.Instances = i.memberList()
		st.Verdict = "alive: this instance is primary"
	} else {
		st.Instances = i.askMembers(ctx)
	}
	if _, down := i.parts.byStage[sdk.StageStore].up(); down != nil {
		return st, nil // Stages and Degraded say so; reading would wait
	}
	s, err := i.reader.Status(ctx)
	if errors.Is(err, errDied) {
		return st, nil
	}
	if err != nil {
		return st, i.parts.at(sdk.StageStore, "status", err)
	}
	st.Workspace, st.Lineage, st.Schema, st.Engine = s.Workspace, s.Lineage, s.SchemaVersion, s.Engine
	st.Newest, st.Warnings = s.Newest.String(), s.Warnings
	st.Epoch = max(st.Epoch, s.Epoch)
	return st, nil
}

// askMembers asks the primary who is there.
func (i *Instance) askMembers(ctx context.Context) []InstanceStatus {
	if link := i.linked(); link != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := i.greet(ctx, link, 0); err != nil {
			i.log.Debug("ask for the instances", "err", err)
		}
	}
	list := i.members.known()
	if !slices.ContainsFunc(list, func(m InstanceStatus) bool { return m.Incarnation == i.self.Incarnation }) {
		list = append(list, i.me(i.Role()))
	}
	return list
}

// faults lists what does not work.
func (i *Instance) faults() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []string
	for what, why := range i.degraded {
		out = append(out, what+": "+why)
	}
	slices.Sort(out)
	return out
}

// Inspect reports on a workspace without joining it. It changes nothing, not even
// in a directory that was never a workspace, and works when no instance runs: then
// Primary is "" and Instances is empty. cfg needs Plugins and says which workspace.
func Inspect(ctx context.Context, cfg Config) (Status, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Status{}, err
	}
	ws, err := resolve(cfg.Workdir, cfg.DataPath)
	if err != nil {
		return Status{}, err
	}
	st := Status{Dir: ws.Dir, Data: ws.DataPath, Verdict: "nobody serves"}
	if err := keyState(&ws); errors.Is(err, fs.ErrNotExist) {
		return st, nil
	} else if err != nil {
		return st, err
	}
	parts, err := openParts(ctx, cfg, ws)
	if err != nil {
		return st, err
	}
	st, err = inspect(ctx, parts, st)
	return st, errors.Join(err, parts.close(ctx))
}

func inspect(ctx context.Context, parts *parts, st Status) (Status, error) {
	h, err := parts.lock.Inspect(ctx)
	if err != nil {
		return st, parts.at(sdk.StageLock, "inspect", err)
	}
	r := h.Announced
	st.Epoch, st.Workspace, st.Lineage = r.Epoch, r.Workspace, r.Lineage
	if r.Left || len(r.Endpoints) == 0 {
		return st, nil
	}
	if alive, err := parts.lock.Alive(ctx, r); err == nil && alive == sdk.Dead {
		st.Verdict = fmt.Sprintf("nobody serves: %s (pid %d) is dead", r.Instance, r.PID)
		return st, nil
	}
	st.Primary, st.Endpoints = r.Instance, r.Endpoints
	if err := st.ask(ctx, parts, r); err != nil {
		st.Verdict = "suspect: " + err.Error()
		st.Instances = []InstanceStatus{{ID: r.Instance, Incarnation: r.Incarnation, PID: r.PID, Program: r.Program,
			Version: r.Version, Role: sdk.Primary, Since: time.Unix(r.SinceUnix, 0)}}
	}
	return st, nil
}

// inspectTimeout bounds the question to a primary that may be stopped.
const inspectTimeout = 2 * time.Second

// ask replaces st by what the primary says.
func (st *Status) ask(ctx context.Context, parts *parts, r sdk.Record) error {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	link, err := parts.transport.Dial(ctx, sdk.Scope{Workspace: r.Workspace, Epoch: r.Epoch, Instance: "onlooker",
		Incarnation: draw()}, r.Endpoints)
	if err != nil {
		return err
	}
	body, err := link.Call(ctx, sdk.Message{Op: "status", Timeout: inspectTimeout})
	err = errors.Join(err, link.Close(context.WithoutCancel(ctx)))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, st); err != nil {
		return fmt.Errorf("%w: status of %s: %w", sdk.ErrIncompatible, r.Instance, err)
	}
	st.Self, st.Role = "", ""
	return nil
}

// eventLog keeps the last transitions.
type eventLog struct {
	mu   sync.Mutex // guards ring
	ring []Transition
}

const eventsKept = 64

func (l *eventLog) add(t Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring = append(l.ring, t)
	if len(l.ring) > eventsKept {
		l.ring = slices.Clone(l.ring[len(l.ring)-eventsKept:])
	}
}

func (l *eventLog) list() []Transition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ring)
}
