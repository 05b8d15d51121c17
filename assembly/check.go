package assembly

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// check compares the file with what its plugins say of themselves. A program that
// does not run says nothing; what depends on it is left out.
func (f *file) check() {
	for _, p := range f.parts {
		if p.plugin == nil {
			continue
		}
		info := p.plugin.Describe()
		if f.checkName(p, info); info.Name != p.name {
			p.plugin, p.locked = nil, locked{} // what it says is about something else
			continue
		}
		f.checkStages(p, info)
		f.checkOptions(p, info)
	}
	f.checkServed()
	f.checkTTL()
}

// checkName finds a program that is another plugin than the file says.
func (f *file) checkName(p *part, info sdk.Info) {
	if info.Name == p.name {
		return
	}
	fault := f.at(p.pathAt, "the program of plugin %q is plugin %q", clean(p.name), clean(info.Name))
	fault.Suggestion, fault.Fix = fmt.Sprintf("plugin %q { ... }", clean(info.Name)), "correct the path or the plugin's name"
	f.add(fault)
}

// checkStages finds stages that the plugin cannot serve.
func (f *file) checkStages(p *part, info sdk.Info) {
	for _, s := range p.stages {
		if slices.Contains(sdk.Stages(), s) && !info.Serves(s) {
			fault := f.at(p.stagesAt, "plugin %q does not serve stage %s", clean(p.name), s)
			fault.Fix = "it serves: " + clean(words(info.Stages))
			f.add(fault)
		}
	}
}

// serves returns the stages of p, and whether they are known yet.
func (p *part) serves() ([]sdk.Stage, bool) {
	if len(p.stages) > 0 {
		misspelt := slices.ContainsFunc(p.stages, func(s sdk.Stage) bool { return !slices.Contains(sdk.Stages(), s) })
		return p.stages, !misspelt
	}
	if p.plugin != nil {
		return p.plugin.Describe().Stages, true
	}
	return p.locked.stages, len(p.locked.stages) > 0
}

// checkServed finds stages that no plugin or more than one serves.
func (f *file) checkServed() {
	by := map[sdk.Stage]*part{}
	complete := true
	for _, p := range f.parts {
		stages, known := p.serves()
		complete = complete && known
		for _, s := range slices.Compact(slices.Sorted(slices.Values(stages))) {
			if other := by[s]; other != nil && other.name != p.name {
				fault := f.at(p.at, "stage %s is served by %q and %q", s, clean(other.name), clean(p.name))
				fault.Cause = fmt.Sprintf("the first one is in line %d", other.at.Start.Line)
				fault.Fix = "remove one, or list in its stages the others that it shall serve"
				f.add(fault)
			}
			by[s] = p
		}
	}
	for _, s := range sdk.Stages() {
		if by[s] == nil && complete && len(f.parts) > 0 {
			f.add(Fault{File: f.path, What: fmt.Sprintf("no plugin serves stage %s", s),
				Cause: "a file that names a plugin names one for each stage",
				Fix:   fmt.Sprintf("add a plugin that serves %s; ramet plugin list shows the bundled ones", s)})
		}
	}
}

// checkTTL finds lease times that contradict each other: the kernel's ttl, the
// option ttl of the lock's plugin and that of the watcher's.
func (f *file) checkTTL() {
	lock, watcher := f.serving(sdk.StageLock), f.serving(sdk.StageWatcher)
	for _, p := range slices.Compact([]*part{lock, watcher}) {
		if p == nil || f.ttl == nil {
			continue
		}
		if own := p.options["ttl"]; own != nil {
			fault := f.at(own.NameRange, "ttl is set here and in kernel")
			fault.Cause = fmt.Sprintf("kernel sets it in line %d", f.ttl.NameRange.Start.Line)
			fault.Fix = "keep one; the one of kernel holds for lock and watcher alike"
			f.add(fault)
		}
		o, declared := option(p, "ttl")
		least, err := time.ParseDuration(o.Min)
		if ttl := f.kernel().TTL; declared && err == nil && ttl > 0 && ttl < least {
			fault := f.at(f.ttl.Expr.Range(), "ttl is %v, which is too short for plugin %q", ttl, clean(p.name))
			fault.Fix = fmt.Sprintf("use %v or more", least)
			f.add(fault)
		}
	}
	if lock == nil || watcher == nil || lock == watcher || f.ttl != nil {
		return
	}
	a, b := ttlOf(lock), ttlOf(watcher)
	if a > 0 && b > 0 && a != b {
		fault := f.at(watcher.at, "lock and watcher have different lease times")
		fault.Cause = fmt.Sprintf("%q says %v, %q says %v", clean(lock.name), a, clean(watcher.name), b)
		fault.Fix = "set ttl in kernel instead, for both"
		f.add(fault)
	}
}

// serving returns the part that serves s; nil if none is known to.
func (f *file) serving(s sdk.Stage) *part {
	for _, p := range f.parts {
		if stages, _ := p.serves(); slices.Contains(stages, s) {
			return p
		}
	}
	return nil
}

func option(p *part, name string) (sdk.Option, bool) {
	if p.plugin != nil {
		for _, o := range p.plugin.Describe().Options {
			if o.Name == name {
				return o, true
			}
		}
	}
	return sdk.Option{}, false
}

// ttlOf returns the lease time of p's options or its default; 0 if it has none.
func ttlOf(p *part) time.Duration {
	o, _ := option(p, "ttl")
	text := o.Default
	if a := p.options["ttl"]; a != nil {
		if v, diags := a.Expr.Value(nil); !diags.HasErrors() && isText(v) {
			text = v.AsString()
		}
	}
	d, _ := time.ParseDuration(text)
	return d
}

// words joins names for a person.
func words[T ~string](list []T) string {
	text := make([]string, len(list))
	for i, w := range list {
		text[i] = string(w)
	}
	return strings.Join(text, ", ")
}
