package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// workspace holds the flags that say where to join and as whom.
type workspace struct {
	dir     string
	data    string
	id      string
	log     string
	file    string // the assembly
	timeout time.Duration
}

// assemblyVariable names the assembly for a command without --assembly.
const assemblyVariable = "RAMET_ASSEMBLY"

// place adds the flags that every command takes.
func (w *workspace) place(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.dir, "workdir", "", "the workspace's directory (default: the current one)")
	f.StringVar(&w.data, "data", "", "the SQLite file, existing or new (default: <workdir>/.ramet/ramet.db)")
	f.StringVar(&w.log, "log", "off", "log to stderr: off, error, warn, info, debug or trace")
	w.assembly(c)
}

// assembly adds the flag that names the file of plugins. There is no other place
// where one is looked for: a directory must not choose which programs run.
func (w *workspace) assembly(c *cobra.Command) {
	c.Flags().StringVar(&w.file, "assembly", os.Getenv(assemblyVariable),
		"the `FILE` that says which plugins to use (default: $"+assemblyVariable+", or else the bundled ones)")
	c.Flags().Lookup("assembly").DefValue = ""
}

// identity adds the flags of commands that become an instance.
func (w *workspace) identity(c *cobra.Command) {
	c.Flags().StringVar(&w.id, "id", "", "the instance's label (default: program and pid)")
}

// bound adds the limit for commands that end by themselves.
func (w *workspace) bound(c *cobra.Command) {
	c.Flags().DurationVar(&w.timeout, "timeout", 30*time.Second, "give up after this long")
}

// limit returns a context that ends after --timeout.
func (w *workspace) limit(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if w.timeout <= 0 {
		return nil, nil, fmt.Errorf("%w: --timeout is %v; use more than 0", sdk.ErrInvalid, w.timeout)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout,
		fmt.Errorf("%w: not done within --timeout %v", context.DeadlineExceeded, w.timeout))
	return ctx, cancel, nil
}

// config returns what the flags and the assembly mean to the kernel, on top of
// base. The caller closes the assembly after the instance.
func (w *workspace) config(ctx context.Context, c *cobra.Command, base kernel.Config) (kernel.Config, *assembly.Assembly, error) {
	level := hclog.LevelFromString(w.log)
	if level == hclog.NoLevel {
		return base, nil, usage(c, fmt.Errorf("--log is %q", w.log))
	}
	asm, err := w.load(ctx, c.ErrOrStderr())
	if err != nil {
		return base, nil, err
	}
	asm.Apply(&base)
	base.Workdir, base.InstanceID, base.Version = w.dir, w.id, version()
	if w.data != "" {
		base.DataPath = w.data
	}
	if level != hclog.Off {
		base.Logger = hclog.New(&hclog.LoggerOptions{Name: "ramet", Level: level, Output: c.ErrOrStderr()})
	}
	return base, asm, nil
}

// load loads the assembly, which must be there if one was named.
func (w *workspace) load(ctx context.Context, errs io.Writer) (*assembly.Assembly, error) {
	asm, err := assembly.Load(ctx, w.file, available.Plugins())
	if err != nil {
		return nil, err
	}
	if w.file != "" && !asm.Found() {
		return nil, noAssembly(w.file)
	}
	for _, warning := range asm.Warnings() {
		fmt.Fprintf(errs, "ramet: warning: %s\n", warning)
	}
	return asm, nil
}

// defaultAssembly is the name that init, validate and plugin take without one.
const defaultAssembly = "ramet.hcl"

// chosen returns the assembly that a command about assemblies is about: the one
// named, or else ramet.hcl in the workspace's directory.
func (w *workspace) chosen() string {
	if w.file != "" {
		return w.file
	}
	return filepath.Join(w.dir, defaultAssembly)
}

// present returns an error if there is no file.
func present(file string) error {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return noAssembly(file)
	}
	return nil
}

func noAssembly(file string) error {
	return fmt.Errorf("%w: there is no assembly %s; write one with: ramet init %s", sdk.ErrInvalid, file, file)
}

// errand visits for do, within --timeout. See errandOn.
func (w *workspace) errand(c *cobra.Command, do func(context.Context, *kernel.Instance) error) error {
	ctx, cancel, err := w.limit(c.Context())
	if err != nil {
		return err
	}
	defer cancel()
	cfg, asm, err := w.config(ctx, c, kernel.Config{})
	if err != nil {
		return err
	}
	return errors.Join(errandOn(ctx, cfg, do), asm.Close())
}

// errandOn visits for do until it was done, was refused or ctx ends. It stands for
// promotion meanwhile: when a short-lived primary, like another errand, leaves in
// the middle of a write, only the next primary can tell whether it was applied. If
// nobody can be asked at all, it leaves too and joins anew.
// do is run again only after sdk.ErrUnavailable, which says that nothing was done.
func errandOn(ctx context.Context, cfg kernel.Config, do func(context.Context, *kernel.Instance) error) error {
	for {
		asked := false
		err := visit(ctx, cfg, func(inst *kernel.Instance) error {
			asked = true
			inst.Watcher().SetEnabled(true)
			return do(ctx, inst)
		})
		if !asked || !errors.Is(err, sdk.ErrUnavailable) || errors.Is(err, sdk.ErrOutcomeUnknown) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(rejoinPause):
		case <-ctx.Done():
			return err
		}
	}
}

// rejoinPause keeps an errand that finds nobody from spinning.
const rejoinPause = 20 * time.Millisecond

// visit joins, runs do and leaves. If nobody serves the workspace the visitor is
// its primary meanwhile.
func visit(ctx context.Context, cfg kernel.Config, do func(*kernel.Instance) error) error {
	inst, err := kernel.Bootstrap(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(inst), inst.Close())
}
