package assembly

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

// start starts each program whose block and lock entry are in order. If others may
// change the assembly or its lock, or the lock is damaged, it starts none.
func (a *Assembly) start(ctx context.Context) {
	f := a.file
	if !f.trusted {
		return
	}
	var all sync.WaitGroup
	var mu sync.Mutex // guards a.launched and the faults
	for _, p := range f.parts {
		if p.path == "" || !p.sound {
			continue
		}
		want := p.locked.sha256
		if p.unlocked {
			want = ""
		} else if want == "" {
			f.add(f.unlockedFault(p))
			continue
		}
		all.Go(func() {
			running, err := p.launch(ctx, want)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.add(f.startFault(p, err))
				return
			}
			a.launched = append(a.launched, running)
			p.plugin = running
			if got := running.Describe().Version; !p.unlocked && got != p.locked.version {
				fault := f.at(p.pathAt, "plugin %q calls itself version %q and is locked as %q", clean(p.name), clean(got), clean(p.locked.version))
				fault.Fix = "if you trust it: " + f.lockCommand()
				f.add(fault)
			}
		})
	}
	all.Wait()
}

// launch starts the program of p. sha256 is what it must hash to; "": anything.
func (p *part) launch(ctx context.Context, sha256 string) (*remote.Plugin, error) {
	var want []byte
	if sha256 != "" {
		var err error
		if want, err = hex.DecodeString(sha256); err != nil {
			return nil, fmt.Errorf("%w: checksum %q: %w", sdk.ErrInvalid, sha256, err)
		}
	}
	return remote.Launch(ctx, remote.Program{Name: p.name, Path: p.path, Args: p.args, Env: p.environ(),
		SHA256: want, StartTimeout: p.startTimeout})
}

// environ returns the variables that the file lets through, as far as they are set.
func (p *part) environ() []string {
	var env []string
	for _, name := range p.env {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// unlockedFault says that the lock file does not know the program of p.
func (f *file) unlockedFault(p *part) Fault {
	fault := f.at(p.pathAt, "the program of plugin %q is not in the lock file for %s", clean(p.name), platform())
	fault.Cause = "a program is started only if its checksum was recorded when you trusted it"
	fault.Fix = "if you trust it: " + f.lockCommand()
	return fault
}

// startFault says why the program of p does not run.
func (f *file) startFault(p *part, err error) Fault {
	fault := f.at(p.pathAt, "the program of plugin %q did not start", clean(p.name))
	fault.Cause, fault.err = causeOf(err), err
	switch {
	case errors.Is(err, sdk.ErrCorrupt):
		fault.What = fmt.Sprintf("the program of plugin %q is not the one that was locked", clean(p.name))
		fault.Fix = "restore it, or if you trust the new one: " + f.lockCommand()
	case errors.Is(err, sdk.ErrIncompatible):
		fault.Fix = "build or install a program for this platform and this version of ramet"
	case errors.Is(err, sdk.ErrUnavailable):
		fault.Fix = "see its last lines above; a larger start_timeout helps only if it is slow"
	default:
		fault.Fix = "correct the program, its rights or its path"
	}
	return fault
}
