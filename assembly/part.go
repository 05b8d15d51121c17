package assembly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

// State says whether a plugin's program may be started.
type State string

// The states.
const (
	Linked    State = "linked in"  // no program is needed
	Locked    State = "locked"     // the file is the one in the lock file
	Unlocked  State = "unlocked"   // the assembly waives the check
	NotLocked State = "not locked" // not in the lock file for this platform: it is refused
	Changed   State = "changed"    // another file than the one in the lock file: it is refused
	Unusable  State = "unusable"   // no program that could be started: it is refused
)

// Part describes one plugin of an assembly. Its JSON form is stable: fields are
// added, never renamed.
type Part struct {
	Name    string      `json:"name"`
	Version string      `json:"version"` // "": not known before the program is started
	Stages  []sdk.Stage `json:"stages"`  // that it serves here; empty: not known before the program is started
	Path    string      `json:"path"`    // of the program, absolute; "": bundled
	State   State       `json:"state"`
	Reason  string      `json:"reason,omitempty"` // why State is not good
}

// Refused reports whether the plugin is not started.
func (p Part) Refused() bool {
	return p.State == NotLocked || p.State == Changed || p.State == Unusable
}

// List describes the plugins of the assembly at path without starting a program.
// Like Load it takes "" and a missing file for the bundled default. The list holds
// what could be read also with an error, which is an *[Error]; a plugin whose
// program is not the locked one is no error here, see Part.State.
func List(path string, bundled []sdk.Plugin) ([]Part, error) {
	f := read(path, bundled)
	f.check()
	return f.describe(), f.err(path)
}

// describe lists the parts.
func (f *file) describe() []Part {
	list := make([]Part, 0, len(f.parts))
	for _, p := range f.parts {
		v := Part{Name: p.name, Path: p.path}
		v.Stages, _ = p.serves()
		if v.Version = p.locked.version; p.plugin != nil {
			v.Version = p.plugin.Describe().Version
		}
		v.State, v.Reason = f.state(p)
		list = append(list, v)
	}
	return list
}

// state compares the program of p with its entry.
func (f *file) state(p *part) (State, string) {
	if p.path == "" {
		if p.plugin == nil {
			return Unusable, "it is not linked into this program"
		}
		return Linked, ""
	}
	got, err := sum(p.path)
	if err == nil {
		err = remote.Program{Name: p.name, Path: p.path}.Verify()
	}
	switch {
	case err != nil:
		return Unusable, causeOf(err)
	case p.unlocked:
		return Unlocked, ""
	case p.locked.sha256 == "":
		return NotLocked, "no checksum for " + platform() + "; if you trust it: " + f.lockCommand()
	case p.locked.sha256 != got:
		return Changed, "its checksum is " + got + "; locked is " + p.locked.sha256
	}
	return Locked, ""
}

// warnings lists what is allowed and yet worth a thought.
func (f *file) warnings() []string {
	var list []string
	for _, p := range f.parts {
		if p.path != "" && p.unlocked {
			list = append(list, fmt.Sprintf("plugin %q is unlocked: whatever file is at %s is run", clean(p.name), clean(p.path)))
		}
	}
	return list
}

// Lock records the programs of the assembly at path in its lock file: those of the
// plugins named, or all, and then it forgets plugins that the assembly has no more.
// Entries of other platforms stay. It starts each program, to ask for its name and
// version; what it started is ended when it returns. It returns the plugins as they
// are afterwards.
//
// The error is an *[Error]; the lock file is then as it was.
func Lock(ctx context.Context, path string, bundled []sdk.Plugin, names ...string) ([]Part, error) {
	f := read(path, bundled)
	chosen := f.chosen(names)
	if len(f.list) == 0 && !f.programs() {
		f.add(Fault{File: path, What: "the assembly names no program", Cause: "bundled plugins need no lock", Fix: "add path to a plugin"})
	}
	if err := f.err(path); err != nil {
		return nil, err
	}
	fresh := f.identify(ctx, chosen)
	if err := f.err(path); err != nil {
		return nil, err
	}
	f.record(fresh, len(names) == 0)
	if err := f.lock.write(f.lockPath); err != nil {
		f.add(Fault{File: LockFile(path), What: "the lock file cannot be written", Cause: clean(err.Error()),
			Fix: "make its directory writable to you", err: err})
		return nil, f.err(path)
	}
	return f.describe(), nil
}

// chosen returns the programs of the plugins named; all of them without a name.
func (f *file) chosen(names []string) []*part {
	var list []*part
	var known []string
	for _, p := range f.parts {
		if p.path == "" {
			continue
		}
		known = append(known, p.name)
		if len(names) == 0 || slices.Contains(names, p.name) {
			list = append(list, p)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			f.add(Fault{File: f.path, What: fmt.Sprintf("the assembly names no program of plugin %q", clean(name)),
				Suggestion: nearest(name, known), Fix: fmt.Sprintf("use some of: %s", words(known))})
		}
	}
	return list
}

// identify asks programs for their versions. What is started is what was hashed.
func (f *file) identify(ctx context.Context, parts []*part) map[string]locked {
	fresh := map[string]locked{}
	var all sync.WaitGroup
	var mu sync.Mutex // guards fresh and the faults
	for _, p := range parts {
		all.Go(func() {
			hash, info, err := p.ask(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.add(f.startFault(p, err))
				return
			}
			f.checkName(p, info)
			fresh[p.name] = locked{version: info.Version, sha256: hash, stages: info.Stages}
		})
	}
	all.Wait()
	return fresh
}

// ask starts the program of p for its description.
func (p *part) ask(ctx context.Context) (hash string, info sdk.Info, err error) {
	if hash, err = sum(p.path); err != nil {
		return "", sdk.Info{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	running, err := p.launch(ctx, hash)
	if err != nil {
		return "", sdk.Info{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return hash, running.Describe(), errors.Join(running.Close(ctx))
}

// record puts fresh entries of this platform into the lock. all: they are complete.
func (f *file) record(fresh map[string]locked, all bool) {
	if f.lock == nil {
		f.lock = &lock{plugins: map[string]map[string]locked{}}
	}
	for name, entry := range fresh {
		if f.lock.plugins[name] == nil {
			f.lock.plugins[name] = map[string]locked{}
		}
		f.lock.plugins[name][platform()] = entry
		for _, p := range f.parts {
			if p.name == name {
				p.locked = entry
			}
		}
	}
	for name := range f.lock.plugins {
		if all && fresh[name].sha256 == "" {
			delete(f.lock.plugins, name)
		}
	}
}
