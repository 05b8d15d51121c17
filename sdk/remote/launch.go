package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

// DefaultStartTimeout is how long a program may take to get ready when
// Program.StartTimeout is 0.
const DefaultStartTimeout = 10 * time.Second

// Names of the carriers, for Program.Carrier.
const (
	CarrierSocketpair = "socketpair" // inherited at launch; Unix only
	CarrierStream     = "stream"     // a gRPC bidirectional stream; works everywhere
)

// Program says what to launch. The zero value of every field but Path is fine.
type Program struct {
	Name string   // for errors and logs; "": the base name of Path
	Path string   // absolute path of the executable
	Args []string // without the program's own name

	// Env is the complete environment, as KEY=VALUE: nothing of this process's
	// environment is handed on, besides what the handshake needs.
	Env []string

	// SHA256 is what the file must hash to, 32 bytes; nil: not checked. The opened
	// file is hashed, and that same file is executed. See [Launch].
	SHA256 []byte

	// StartTimeout bounds the time from the start of the process to the end of the
	// handshake; 0: DefaultStartTimeout.
	StartTimeout time.Duration

	// TLS encrypts the control connection (and the stream carrier) with a P-256
	// certificate that is made for this one launch and that both sides must show. A
	// socketpair needs none: nobody else can reach it.
	TLS bool

	// Carrier makes the host offer one carrier only; "": all, and the program picks.
	Carrier string

	// Logger gets what the program logs, with its levels and fields, until
	// Plugin.Open brings another one; nil: nothing is logged.
	Logger hclog.Logger
}

// Launch checks and starts a program and asks it what it is. It returns when the
// program has answered, by ctx's deadline or Program.StartTimeout at the latest;
// whatever it started is ended if it fails. ctx does not bound the program's life.
//
// Before anything runs, the opened file must be regular, executable, owned by this
// user or root, and neither it nor its directory may be writable by others. On
// Linux the file that was opened and hashed is the one that is executed, whatever
// happens to its path meanwhile. macOS and Windows can only execute a path: there
// the path is compared with the opened file again after the start, and the process
// is ended if it is another one; a window between the two remains.
//
// Errors: [sdk.ErrInvalid] (no such file, not executable, permissions: correct the
// program or its path), [sdk.ErrCorrupt] (another checksum: do not run it),
// [sdk.ErrIncompatible] (built for another machine, another protocol, or no plugin
// at all), [sdk.ErrUnavailable] (it exited or did not get ready in time: its last
// lines are in the text; try again or look into its log).
func Launch(ctx context.Context, p Program) (*Plugin, error) {
	if p.Name == "" {
		p.Name = filepath.Base(p.Path)
	}
	if p.StartTimeout <= 0 {
		p.StartTimeout = DefaultStartTimeout
	}
	if p.Logger == nil {
		p.Logger = hclog.NewNullLogger()
	}
	file, err := p.verify()
	if err != nil {
		return nil, err
	}
	pl := &Plugin{program: p, file: file}
	if pl.idle, err = pl.launch(ctx); err != nil {
		file.Close()
		return nil, err
	}
	pl.info = pl.idle.info
	return pl, nil
}

// Plugin is a program that was launched. It implements [sdk.Plugin]: what it
// returns cannot be told from a plugin that is linked in, except that it may die.
// Safe for concurrent use.
//
// One process serves one Open. The first Open uses the process that Launch
// started; a later one, also at the same time, starts another process of the same
// verified file.
type Plugin struct {
	program Program
	info    sdk.Info

	mu   sync.Mutex // guards the fields below
	file *os.File   // what is executed; nil after Close
	idle *child     // launched and not opened; nil: none
}

var _ sdk.Plugin = (*Plugin)(nil)

// Describe returns what the program said of itself when it was launched. It does
// no I/O.
func (p *Plugin) Describe() sdk.Info { return p.info }

// Open opens the plugin in a process of its own. It returns what the plugin's own
// Open returns, or one of Launch's errors if a process had to be started and could
// not. env.Logger, if set, replaces Program.Logger for that process; its level is
// the level at which the plugin logs.
//
// The process lives until Running.Close. If it dies or hangs before that, its
// health is [sdk.Failed] with the reason, and every call fails: see the package's
// comment. Open the plugin again then.
func (p *Plugin) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.open(ctx, env)
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	return r, nil
}

// Close ends the process that waits to be opened, if there is one, and forgets the
// verified file: a later Open verifies the program anew. It does not end what Open
// returned. It blocks until the process is gone, about a second at most if it
// hangs, also when ctx has ended. Idempotent.
func (p *Plugin) Close(ctx context.Context) error {
	p.mu.Lock()
	idle, file := p.idle, p.file
	p.idle, p.file = nil, nil
	p.mu.Unlock()
	if file != nil {
		file.Close()
	}
	if idle == nil {
		return nil
	}
	return idle.end()
}

// take returns a process that is not opened: the idle one, or a new one.
func (p *Plugin) take(ctx context.Context) (*child, error) {
	p.mu.Lock()
	c := p.idle
	p.idle = nil
	p.mu.Unlock()
	if c != nil {
		if c.alive() {
			return c, nil
		}
		_ = c.end() // it is dead already; this frees what we hold of it
	}
	return p.launch(ctx)
}

// launch starts a process of the verified file. A file that was opened for an
// earlier process is checked again: whoever may write it may have done so since.
func (p *Plugin) launch(ctx context.Context) (*child, error) {
	p.mu.Lock()
	var err error
	if p.file == nil {
		p.file, err = p.program.verify()
	} else if p.info.Name != "" {
		err = p.program.check(p.file)
	}
	file := p.file
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, p.program, file)
	if err != nil {
		return nil, err
	}
	if p.info.Name != "" && !reflect.DeepEqual(p.info, c.info) {
		return nil, errors.Join(fmt.Errorf("%w: plugin %s was %s %s when first launched and is %s %s now; launch it anew",
			sdk.ErrIncompatible, p.program.Name, p.info.Name, p.info.Version, c.info.Name, c.info.Version), c.end())
	}
	return c, nil
}
