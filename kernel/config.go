package kernel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

// Defaults of Config.
const (
	DefaultCallTimeout  = 30 * time.Second
	DefaultStartTimeout = 30 * time.Second
	DefaultTxIdle       = 5 * time.Second
	DefaultTxTotal      = 30 * time.Second
)

// LockErrorPolicy says what happens when the lock does not work at all, which is
// not the same as being held.
type LockErrorPolicy string

// The policies. The zero value means LockErrorWork.
const (
	LockErrorWork LockErrorPolicy = "work" // go on without it, elected by the store alone, Degraded
	LockErrorFail LockErrorPolicy = "fail" // Bootstrap returns the error
)

// Config says what to run. Only Plugins is required; the zero value of every
// other field is its default. Bootstrap does not change it and keeps no
// reference to its slices and maps.
type Config struct {
	Workdir    string // the workspace; "": the working directory
	InstanceID string // a label, need not be unique; "": program and pid
	DataPath   string // an existing or new database; "": <workdir>/.ramet/ramet.db
	Program    string // shown to others; "": the executable's base name
	Version    string // of the program, shown to others

	Plugins []sdk.Plugin      // one for each stage, as bundled.All() gives them
	Options map[string][]byte // by plugin name: a JSON object

	// Restarts says by plugin name how often a failed plugin is opened again.
	Restarts map[string]Restart

	Durability      sdk.Durability // "": sdk.DurabilityFull
	NoChangeLog     bool           // do not write the change log; Changes returns ErrUnsupported
	ChangeRetention int            // changes kept; 0: the store's default

	// Failover makes this instance stand for promotion from the start. Off by
	// default; Watcher().SetEnabled changes it.
	Failover    bool
	TTL         time.Duration   // after this long without a sign of life a stopped primary is displaced; 0: the lock's default
	OnLockError LockErrorPolicy // "": LockErrorWork

	CallTimeout  time.Duration // bound of a call whose context has no deadline; 0: 30 s
	StartTimeout time.Duration // bound of Bootstrap whose context has none; 0: 30 s
	TxIdle       time.Duration // longest pause inside an interactive transaction; 0: 5 s
	TxTotal      time.Duration // longest interactive transaction; 0: 30 s

	// Migrate brings the schema to SchemaVersion. It runs on a primary before it
	// serves, and only if the store's version differs, so normally once. db writes
	// under the new epoch; statements that cannot run in a transaction are refused.
	// An error fails the promotion: another instance may try.
	Migrate       func(ctx context.Context, db *sql.DB) error
	SchemaVersion int64 // 0: the program declares none

	Logger hclog.Logger // nil: log nothing
}

// withDefaults returns c with its zero values replaced, or all faults joined.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: Config."+format, append([]any{sdk.ErrInvalid}, args...)...))
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"CallTimeout", &c.CallTimeout, DefaultCallTimeout},
		{"StartTimeout", &c.StartTimeout, DefaultStartTimeout},
		{"TxIdle", &c.TxIdle, DefaultTxIdle},
		{"TxTotal", &c.TxTotal, DefaultTxTotal},
		{"TTL", &c.TTL, 0},
	} {
		if *d.v < 0 {
			fault("%s is %v; it must not be negative", d.name, *d.v)
		}
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if c.ChangeRetention < 0 {
		fault("ChangeRetention is %d; it must not be negative", c.ChangeRetention)
	}
	if c.SchemaVersion < 0 {
		fault("SchemaVersion is %d; it must not be negative", c.SchemaVersion)
	}
	if c.Migrate != nil && c.SchemaVersion == 0 {
		fault("Migrate is set but SchemaVersion is 0; declare the version it leads to")
	}
	switch c.Durability {
	case "":
		c.Durability = sdk.DurabilityFull
	case sdk.DurabilityFull, sdk.DurabilityProcess:
	default:
		fault("Durability is %q; use %q or %q", c.Durability, sdk.DurabilityFull, sdk.DurabilityProcess)
	}
	switch c.OnLockError {
	case "":
		c.OnLockError = LockErrorWork
	case LockErrorWork, LockErrorFail:
	default:
		fault("OnLockError is %q; use %q or %q", c.OnLockError, LockErrorWork, LockErrorFail)
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c, errors.Join(faults...)
}
