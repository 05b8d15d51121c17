package kernel

import (
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Status describes a workspace as one instance, or an onlooker, sees it. Its JSON
// form is stable: fields are added, never renamed.
type Status struct {
	Workspace   string           `json:"workspace"`   // UUID; "" if never used
	Dir         string           `json:"dir"`         // canonical
	Data        string           `json:"data"`        // the database
	Epoch       uint64           `json:"epoch"`       // highest known
	Primary     string           `json:"primary"`     // instance id; "" if none serves
	Endpoints   []sdk.Endpoint   `json:"endpoints"`   // of the primary
	Instances   []InstanceStatus `json:"instances"`   // the primary first, then by age
	Self        string           `json:"self"`        // incarnation of the instance asked; "" for an onlooker
	Role        sdk.Role         `json:"role"`        // of the instance asked
	Failover    bool             `json:"failover"`    // of the instance asked
	Verdict     string           `json:"verdict"`     // its last judgement of the primary
	Schema      int64            `json:"schema"`      // version stored
	Lineage     string           `json:"lineage"`     // of the store
	Newest      string           `json:"newest"`      // position of the last change
	Engine      string           `json:"engine"`      // of the store
	Degraded    []string         `json:"degraded"`    // what does not work, and why
	Warnings    []string         `json:"warnings"`    // what an operator should know
	Stages      []StageStatus    `json:"stages"`      // which plugin serves which stage
	Counters    Counters         `json:"counters"`    // of the instance asked, since Bootstrap
	Transitions []Transition     `json:"transitions"` // the last 64, oldest first
}

// InstanceStatus describes one instance.
type InstanceStatus struct {
	ID          string    `json:"id"`
	Incarnation string    `json:"incarnation"`
	PID         int       `json:"pid"`
	Program     string    `json:"program"`
	Version     string    `json:"version"`
	Role        sdk.Role  `json:"role"`
	Since       time.Time `json:"since"` // when it took the role
	Failover    bool      `json:"failover"`
}

// StageStatus describes one stage.
type StageStatus struct {
	Stage    sdk.Stage `json:"stage"`
	Plugin   string    `json:"plugin"`
	Version  string    `json:"version"`
	Mode     string    `json:"mode"`     // ModeBundled or ModeExternal
	PID      int       `json:"pid"`      // process of an external plugin; 0: this one
	Restarts int       `json:"restarts"` // times the plugin was opened again since Bootstrap
	Health   string    `json:"health"`   // as sdk.Condition says it
	Reason   string    `json:"reason,omitempty"`
	// Counters are the plugin's own, since it was opened: what it refused or dropped. A
	// plugin that serves two stages shows the same ones at both.
	Counters map[string]uint64 `json:"counters,omitempty"`
}

// Where a plugin runs, as StageStatus.Mode says it.
const (
	ModeBundled  = "bundled"  // linked in
	ModeExternal = "external" // a process of its own
)

// Transition is one step of the pipeline started or stopped, or a plugin that was
// opened again.
type Transition struct {
	At    time.Time     `json:"at"`
	Stage string        `json:"stage"` // of a plugin all that it serves, like "lock+watcher"
	Op    string        `json:"op"`    // "start" or "stop" of a step, "restart" of a plugin; Err then says why
	Took  time.Duration `json:"took_ns"`
	Err   string        `json:"err,omitempty"`
}

// Counters count what happened in one instance since its Bootstrap.
type Counters struct {
	Promotions uint64 `json:"promotions"` // epochs won
	Demotions  uint64 `json:"demotions"`  // epochs given up while running
	Fenced     uint64 `json:"fenced"`     // times the store refused us because of a newer epoch
	Replayed   uint64 `json:"replayed"`   // writes answered from their recorded result
}
