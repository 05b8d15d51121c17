package assembly

import (
	"context"
	"errors"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

// closeLimit bounds Close: a program that does not leave is killed well before.
const closeLimit = 5 * time.Second

// Assembly is a file that was read and found in order, its programs running. Close
// it after the last instance that uses it. Safe for concurrent use.
type Assembly struct {
	file     *file
	launched []*remote.Plugin
}

// Load reads the assembly at path, starts the programs it names, all at once, and
// checks their options. bundled are the plugins that are linked in, usually
// bundled.All(); after those the list may hold alternatives for a file to name.
//
// path is a file of HCL or, if its name ends in .json, of JSON. An empty file means
// the bundled plugins with their defaults, the first for each stage, and so does "" or a path where nothing
// is: a program works without the file, and its user may add one. Found tells.
//
// The error is an *[Error] with every fault that was found. ctx bounds Load only.
// After an error nothing is left running.
func Load(ctx context.Context, path string, bundled []sdk.Plugin) (*Assembly, error) {
	a := &Assembly{file: read(path, bundled)}
	a.start(ctx)
	a.file.check()
	if err := a.file.err(path); err != nil {
		if left := a.Close(); left != nil {
			err = errors.Join(err, left)
		}
		return nil, err
	}
	return a, nil
}

// Apply puts what the assembly says into c: the plugins, their options and
// restarts, and the fields its kernel block names. It leaves the other fields alone. Set a field
// afterwards to overrule the file.
func (a *Assembly) Apply(c *kernel.Config) {
	c.Plugins, c.Options, c.Restarts = nil, map[string][]byte{}, map[string]kernel.Restart{}
	for _, p := range a.file.parts {
		c.Plugins = append(c.Plugins, p.assigned())
		if p.json != nil {
			c.Options[p.name] = p.json
		}
		if p.restart != nil {
			c.Restarts[p.name] = *p.restart
		}
	}
	for _, set := range a.file.settings {
		set(c)
	}
}

// Found reports whether there was a file.
func (a *Assembly) Found() bool { return a.file.found }

// Parts describes the plugins, in the file's order.
func (a *Assembly) Parts() []Part { return a.file.describe() }

// Warnings returns what is allowed and yet worth a thought, a sentence each.
func (a *Assembly) Warnings() []string { return a.file.warnings() }

// Close ends the programs that no instance uses; one that an instance opened ends
// with that instance. The Assembly cannot be used afterwards. Idempotent. It
// blocks until the programs are gone, normally some milliseconds; the error names
// one that is not.
func (a *Assembly) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	errs := make([]error, 0, len(a.launched))
	for _, p := range a.launched {
		errs = append(errs, p.Close(ctx))
	}
	return errors.Join(errs...)
}

// assigned returns p's plugin, limited to the stages that the file gives it.
func (p *part) assigned() sdk.Plugin {
	if len(p.stages) == 0 {
		return p.plugin
	}
	return limited{p.plugin, p.stages}
}

// limited is a plugin that serves some of its stages only.
type limited struct {
	sdk.Plugin
	stages []sdk.Stage
}

// Describe implements sdk.Plugin.
func (l limited) Describe() sdk.Info {
	info := l.Plugin.Describe()
	info.Stages = l.stages
	return info
}
