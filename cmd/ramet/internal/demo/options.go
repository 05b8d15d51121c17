package demo

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Options says what to run. The zero value of a field that has a default in its
// comment means that default.
type Options struct {
	Instances int // processes, 2 to 64
	Kills     int // SIGKILLs of the primary
	Stops     int // SIGSTOPs of the primary until another took over
	// PluginKills is how many plugin programs, of any node, are killed.
	PluginKills int
	Assembly    string        // which plugins the nodes use; "": the bundled ones
	Duration    time.Duration // of the writing, at least; faults may take longer
	Seed        int64         // of every random choice
	Think       time.Duration // longest pause between two writes of a node; 0: none
	Settle      time.Duration // undisturbed writing before each fault, at least
	TTL         time.Duration // lease time; 0: 600 ms
	Workdir     string        // an empty directory, kept; "": a temporary one, removed
	Floor       func() error  // measures something between two kills, while nobody writes; may be nil
	Out         io.Writer     // view for a person; nil: none
	Live        bool          // Out is a terminal
}

const (
	defaultTTL   = 600 * time.Millisecond
	maxInstances = 64
)

// withDefaults returns o completed, or sdk.ErrInvalid.
func (o Options) withDefaults() (Options, error) {
	invalid := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("%w: "+format, append([]any{sdk.ErrInvalid}, args...)...)
	}
	switch {
	case o.Instances < 2 || o.Instances > maxInstances:
		return invalid("--instances is %d; use 2 to %d", o.Instances, maxInstances)
	case o.Kills < 0 || o.Stops < 0 || o.PluginKills < 0:
		return invalid("--kills is %d, --stops %d and --plugin-kills %d; use 0 or more", o.Kills, o.Stops, o.PluginKills)
	case o.Duration < 0 || o.Settle < 0:
		return invalid("--duration is %v; use 0 or more", o.Duration)
	case o.Stops > 0 && runtime.GOOS == "windows":
		return invalid("--stops is %d; this system cannot stop a process, use 0", o.Stops)
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.Out == nil {
		o.Out, o.Live = io.Discard, false
	}
	return o, nil
}
