package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// MemLock returns the simplest plugin of the lock and watcher stages: leases in
// memory, for tests of many instances inside one process. Instances that open the
// same returned plugin with the same StateDir compete; two calls of MemLock share
// nothing. No file is touched, and a fake clock drives it.
func MemLock() *MemLocks { return &MemLocks{places: map[string]*memLockPlace{}} }

// MemLocks is the plugin that MemLock returns. Safe for concurrent use.
type MemLocks struct {
	mu     sync.Mutex // guards places and all that is in them
	places map[string]*memLockPlace
}

const (
	memLockTTL    = 3 * time.Second
	memLockMinTTL = time.Millisecond
)

// memLockPlace is the lock of one state directory.
type memLockPlace struct {
	record  sdk.Record // as announced last
	holder  *memLease  // who has the lock
	beat    uint64
	changed chan struct{}            // closed and replaced at each change
	life    map[string]sdk.Liveness  // by incarnation, as SetAlive said
	leases  map[*memLease]*memLocker // granted and not released
}

// Describe says what the plugin is.
func (m *MemLocks) Describe() sdk.Info {
	return sdk.Info{
		Name: "sdktest-memlock", Version: "0.1.0",
		Stages:       []sdk.Stage{sdk.StageLock, sdk.StageWatcher},
		Capabilities: []sdk.Capability{sdk.CapTakeover, sdk.CapLiveness},
	}
}

// Open starts it for one instance. It has no options.
func (m *MemLocks) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var options map[string]any
	if len(env.Options) > 0 {
		if err := json.Unmarshal(env.Options, &options); err != nil || len(options) > 0 {
			return nil, fmt.Errorf("%w: sdktest-memlock takes no options", sdk.ErrInvalid)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := &memLocker{m: m, place: m.placeLocked(env.Workspace.StateDir), closed: make(chan struct{})}
	return &memLockRunning{k, time.Now()}, nil
}

// SetAlive fixes what Alive says of the instance with that incarnation, in all
// workspaces. Dead also takes the lock from it, as the death of a process does;
// its leases then answer ErrFenced.
func (m *MemLocks) SetAlive(incarnation string, l sdk.Liveness) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.places {
		p.life[incarnation] = l
		if l == sdk.Dead && p.holder != nil && p.holder.record.Incarnation == incarnation {
			p.holder = nil
		}
		p.changeLocked()
	}
}

// placeLocked needs m.mu.
func (m *MemLocks) placeLocked(dir string) *memLockPlace {
	p := m.places[dir]
	if p == nil {
		p = &memLockPlace{changed: make(chan struct{}), life: map[string]sdk.Liveness{}, leases: map[*memLease]*memLocker{}}
		m.places[dir] = p
	}
	return p
}

// changeLocked wakes whoever waits; it needs m.mu.
func (p *memLockPlace) changeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// aliveLocked needs m.mu.
func (p *memLockPlace) aliveLocked(r sdk.Record) sdk.Liveness {
	if l, fixed := p.life[r.Incarnation]; fixed {
		return l
	}
	switch {
	case r.PID != os.Getpid():
		return sdk.LivenessUnknown
	case r.StartTime != memLockStart:
		return sdk.Dead
	}
	return sdk.Alive
}

// memLockStart is the start time of this process: all instances live in it.
const memLockStart = 1

// viewLocked is the process that others have to reckon with; it needs m.mu.
func (p *memLockPlace) viewLocked() sdk.Record {
	h := p.holder
	if h == nil || p.record.Incarnation == h.record.Incarnation && !p.record.Left ||
		p.record.Takeover && !p.record.Left && p.aliveLocked(p.record) != sdk.Dead {
		return p.record
	}
	return h.record
}

// memLockRunning is the opened plugin.
type memLockRunning struct {
	lock   *memLocker
	opened time.Time
}

func (r *memLockRunning) Ports() sdk.Ports         { return nil }
func (r *memLockRunning) Lock() sdk.Lock           { return r.lock }
func (r *memLockRunning) Store() sdk.Store         { return nil }
func (r *memLockRunning) Transport() sdk.Transport { return nil }
func (r *memLockRunning) Watcher() sdk.Watcher     { return memLockWatcher{} }

// WaitHealth reports ready, and then blocks.
func (r *memLockRunning) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen != 1 {
		return sdk.Health{Number: 1, Condition: sdk.Ready, For: time.Since(r.opened)}, nil
	}
	select {
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	case <-r.lock.closed:
		return sdk.Health{}, errMemLockClosed()
	}
}

// Close ends waiting calls and releases what is still leased.
func (r *memLockRunning) Close(context.Context) error {
	m := r.lock.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.lock.closedLocked() {
		return nil
	}
	close(r.lock.closed)
	for l, owner := range r.lock.place.leases {
		if owner == r.lock {
			l.releaseLocked()
		}
	}
	return nil
}

func errMemLockClosed() error { return fmt.Errorf("%w: sdktest-memlock", sdk.ErrClosed) }

// memLockWatcher is the least that the contract asks for.
type memLockWatcher struct{}

// Judge weighs the evidence.
func (memLockWatcher) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Judgement{}, err
	}
	ttl := e.TTL
	if ttl == 0 {
		ttl = memLockTTL
	}
	j := sdk.Judgement{Reason: "shows signs of life", Recheck: max(ttl/5, time.Nanosecond)}
	switch {
	case e.Goodbye:
		j.Verdict, j.Reason = sdk.VerdictHandover, "said goodbye"
	case e.Process == sdk.Dead:
		j.Verdict, j.Reason = sdk.VerdictLost, "process is dead"
	case e.Probed && e.ProbeOK, e.Late, e.Missed < 5:
	case e.Probed:
		j.Verdict, j.Reason = sdk.VerdictLost, "silent and deaf"
	default:
		j.Verdict, j.Reason = sdk.VerdictSuspect, "silent"
	}
	return j, nil
}
