package sdk

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Stage names one step of the kernel's pipeline.
type Stage string

// The five stages, in start order.
const (
	StagePorts     Stage = "ports"     // where the workspace may be reached
	StageLock      Stage = "lock"      // who may become primary
	StageStore     Stage = "store"     // the database and the epoch that fences it
	StageTransport Stage = "transport" // how instances talk
	StageWatcher   Stage = "watcher"   // whether the primary is alive
)

// Stages returns the stages in start order.
func Stages() []Stage {
	return []Stage{StagePorts, StageLock, StageStore, StageTransport, StageWatcher}
}

// Plugin is an implementation of one or more stages. It is started once for all
// of them. Safe for concurrent use.
type Plugin interface {
	// Describe says what the plugin is. It does no I/O, never blocks and always
	// returns the same value.
	Describe() Info
	// Open starts the plugin for one instance. It validates env.Options strictly
	// and returns [ErrInvalid] for an unknown key. The caller closes what it returns.
	Open(ctx context.Context, env Env) (Running, error)
}

// Running is an opened plugin. The accessors of stages it did not declare return
// nil; the kernel asks for declared stages only. They do no I/O.
type Running interface {
	Ports() Ports         // serves [StagePorts]
	Lock() Lock           // serves [StageLock]
	Store() Store         // serves [StageStore]
	Transport() Transport // serves [StageTransport]
	Watcher() Watcher     // serves [StageWatcher]

	// WaitHealth returns as soon as the health differs from the one numbered seen
	// (0: return the present one at once), or when ctx ends with its error. Once it is
	// [Failed], which it stays, every object of the plugin is dead: calls fail, those
	// that were on their way with [ErrOutcomeUnknown] if they may have had an effect. The
	// kernel closes the plugin and opens it again.
	WaitHealth(ctx context.Context, seen uint64) (Health, error)
	// Close ends the plugin and everything it still owns, whatever its health.
	// Idempotent. It blocks until nothing of it runs, or returns [ErrUnclean] when ctx
	// ends first. The kernel takes nil for the proof that nothing of it writes any
	// more, and lets the lock go.
	Close(ctx context.Context) error
}

// Info describes a plugin. It is data: it crosses the process boundary as it is.
type Info struct {
	Name         string       // like "store-sqlite"; unique in an assembly
	Version      string       // semantic version without "v"
	Stages       []Stage      // the stages it serves, at least one
	Schemes      []string     // URI schemes its ports give or its transport takes
	Capabilities []Capability // optional behaviour it has
	Options      []Option     // keys that Env.Options may hold
}

// Has reports whether c is declared.
func (i Info) Has(c Capability) bool {
	for _, have := range i.Capabilities {
		if have == c {
			return true
		}
	}
	return false
}

// Serves reports whether stage s is declared.
func (i Info) Serves(s Stage) bool {
	for _, have := range i.Stages {
		if have == s {
			return true
		}
	}
	return false
}

// Capability names optional behaviour of a stage.
type Capability string

// The capabilities known to this version of the contract. Names are never reused.
const (
	CapInteractiveTx Capability = "store.interactive-tx" // DB.Begin for writing
	CapLocalReads    Capability = "store.local-reads"    // DB.Query without a primary
	CapLinearizable  Capability = "store.linearizable"   // ReadLinearizable
	CapChangeLog     Capability = "store.change-log"     // DB.Changes
	CapSnapshot      Capability = "store.snapshot"       // DB.Snapshot
	CapReplayFull    Capability = "store.replay-full"    // a replayed write returns its rows
	CapDialectSQLite Capability = "store.dialect-sqlite" // SQL as SQLite reads it
	CapPowerSafe     Capability = "store.power-safe"     // DurabilityFull survives power loss
	CapTakeover      Capability = "lock.takeover"        // Claim.Takeover is understood
	CapLiveness      Capability = "lock.liveness"        // Lock.Alive answers yes or no, not only unknown
	CapPeerIdentity  Capability = "transport.peer-uid"   // Peer.UID is verified by the system
	CapSecret        Capability = "transport.secret"     // both sides prove that they have Scope.Secret
)

// OptionType is the type of a plugin option's value.
type OptionType string

// The option types.
const (
	OptionString   OptionType = "string"
	OptionInt      OptionType = "int"
	OptionBool     OptionType = "bool"
	OptionDuration OptionType = "duration" // text as of time.ParseDuration
)

// Option is one key of a plugin's options.
type Option struct {
	Name     string
	Type     OptionType
	Required bool
	Default  string // as text; empty: the zero value
	Doc      string // one sentence
	Min      string // least value of an int or a duration, as text; empty: any
}

// Env is what a plugin is opened with: plain data, plus a logger that is
// replaced on the other side of a process boundary.
type Env struct {
	Logger    hclog.Logger // nil: log nothing; already named after the plugin
	Workspace Workspace
	Options   []byte // a JSON object; empty: all defaults
}

// Log returns the logger, never nil.
func (e Env) Log() hclog.Logger {
	if e.Logger == nil {
		return hclog.NewNullLogger()
	}
	return e.Logger
}

// Workspace says where an instance lives. All paths are absolute and canonical
// (symbolic links resolved).
type Workspace struct {
	Dir      string // the directory the application named
	StateDir string // 0700; lock, record, beat and, by default, the database
	DataPath string // the database file or engine location
	Key      string // short text, the same for every path that leads to StateDir
}

// Condition is the state of a plugin's engine. It is separate from the role: a
// degraded engine does not trigger a promotion.
type Condition uint8

// The conditions.
const (
	Starting Condition = iota // not usable yet
	Ready                     // usable
	Degraded                  // usable in part; Reason says what is missing
	Failed                    // not usable; the kernel opens the plugin again
)

// String returns the condition in lower case.
func (c Condition) String() string {
	switch c {
	case Starting:
		return "starting"
	case Ready:
		return "ready"
	case Degraded:
		return "degraded"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// Health is a numbered condition. Number starts at 1 and grows with each change.
type Health struct {
	Number    uint64
	Condition Condition
	Reason    string        // empty when Ready
	For       time.Duration // how long it has been so
	PID       int           // process that serves the plugin; 0: this one, it is linked in
	Counters  []Counter     // for status; one that grows does not change Number
}

// Counter counts something that a plugin refused, dropped or repaired since it was
// opened.
type Counter struct {
	Name  string // the plugin's own, lower case with underscores; unique in it
	Count uint64
}
