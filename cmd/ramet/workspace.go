package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
)

// workspace holds the flags that say where to join and as whom.
type workspace struct {
	dir     string
	data    string
	id      string
	log     string
	timeout time.Duration
}

// place adds the flags that every command takes.
func (w *workspace) place(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.dir, "workdir", "", "the workspace's directory (default: the current one)")
	f.StringVar(&w.data, "data", "", "the SQLite file, existing or new (default: <workdir>/.ramet/ramet.db)")
	f.StringVar(&w.log, "log", "off", "log to stderr: off, error, warn, info, debug or trace")
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

// config returns what the flags mean to the kernel.
func (w *workspace) config(c *cobra.Command) (kernel.Config, error) {
	level := hclog.LevelFromString(w.log)
	if level == hclog.NoLevel {
		return kernel.Config{}, usage(c, fmt.Errorf("--log is %q", w.log))
	}
	cfg := kernel.Config{
		Workdir:    w.dir,
		DataPath:   w.data,
		InstanceID: w.id,
		Version:    version(),
		Plugins:    bundled.All(),
	}
	if level != hclog.Off {
		cfg.Logger = hclog.New(&hclog.LoggerOptions{Name: "ramet", Level: level, Output: c.ErrOrStderr()})
	}
	return cfg, nil
}

// errand visits for do until it was done, was refused or ctx ends. It stands for
// promotion meanwhile: when a short-lived primary, like another errand, leaves in
// the middle of a write, only the next primary can tell whether it was applied. If
// nobody can be asked at all, it leaves too and joins anew.
// do is run again only after sdk.ErrUnavailable, which says that nothing was done.
func (w *workspace) errand(c *cobra.Command, do func(context.Context, *kernel.Instance) error) error {
	ctx, cancel, err := w.limit(c.Context())
	if err != nil {
		return err
	}
	defer cancel()
	for {
		asked := false
		err := w.visit(ctx, c, func(inst *kernel.Instance) error {
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

// visit joins, runs do and leaves. If nobody
// serves the workspace the visitor is its primary meanwhile.
func (w *workspace) visit(ctx context.Context, c *cobra.Command, do func(*kernel.Instance) error) error {
	cfg, err := w.config(c)
	if err != nil {
		return err
	}
	inst, err := kernel.Bootstrap(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(inst), inst.Close())
}
