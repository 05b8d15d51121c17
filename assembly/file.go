package assembly

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// file is an assembly file as it is written, with what is wrong with it.
type file struct {
	*source
	dir      string // where paths begin: the directory of the file itself, links resolved
	lockPath string
	parts    []*part
	settings []func(*kernel.Config) // what the kernel block sets
	ttl      *hcl.Attribute         // of the kernel block; nil if it sets none
	lock     *lock                  // nil: there is none
	trusted  bool                   // nobody else could have changed the file or its lock
	found    bool                   // false: the default, because there is no file
}

// part is one plugin of the file.
type part struct {
	name         string
	at           hcl.Range // of the name
	stages       []sdk.Stage
	stagesAt     hcl.Range
	path         string // absolute; "": bundled
	pathAt       hcl.Range
	args, env    []string
	startTimeout time.Duration
	unlocked     bool
	restart      *kernel.Restart // nil: the kernel's default
	options      hcl.Attributes
	optionsAt    hcl.Range
	sound        bool // its block has no fault: the program may be started

	locked locked     // its entry of the lock file; zero: none
	plugin sdk.Plugin // nil: a program that does not run
	json   []byte     // its checked options
}

// maxPlugins bounds what a file can make this program look at, and start.
const maxPlugins = 32

var (
	fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "plugin", LabelNames: []string{"name"}}, {Type: "kernel"}}}
	pluginSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "stages"}, {Name: "path"}, {Name: "args"}, {Name: "env"},
			{Name: "start_timeout"}, {Name: "unlocked"}},
		Blocks: []hcl.BlockHeaderSchema{{Type: "restart"}, {Type: "options"}}}
	restartSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "max"}, {Name: "per"}, {Name: "backoff"}}}
)

// read reads the assembly at path without starting a program. It always returns a
// file; what is wrong is in its faults. A path of "" or one where nothing is means
// the bundled plugins with their defaults, the first for each stage.
func read(path string, bundled []sdk.Plugin) *file {
	f := &file{source: &source{path: path}}
	if path != "" && !missing(path) {
		f.found = true
		if f.source = open(path, path); f.body != nil {
			f.locate(path)
		}
	} else if path != "" && !missing(LockFile(path)) {
		f.add(Fault{File: path, What: "the assembly is missing, but its lock file is there", Cause: LockFile(path) + " belongs to it",
			Fix: "restore the assembly, or remove the lock file if the bundled plugins are meant"})
	}
	if f.body != nil {
		content := f.content(f.body, fileSchema, "the assembly")
		f.readKernel(f.single(content.Blocks, "kernel"))
		for n, b := range content.Blocks.OfType("plugin") {
			if n == maxPlugins {
				fault := f.at(b.TypeRange, "more than %d plugins", maxPlugins)
				fault.Fix = "remove some; there are five stages"
				f.add(fault)
				break
			}
			f.readPlugin(b, bundled)
		}
	}
	if len(f.parts) == 0 && len(f.list) == 0 {
		f.parts = defaults(bundled)
	}
	if f.programs() {
		before := len(f.list)
		f.readLock()
		for _, p := range f.parts {
			p.locked = f.lock.of(p.name)
		}
		f.trust()
		f.trusted = len(f.list) == before
	}
	return f
}

// defaults returns the first of the bundled plugins for each stage.
func defaults(bundled []sdk.Plugin) (parts []*part) {
	served := map[sdk.Stage]bool{}
	for _, p := range bundled {
		info := p.Describe()
		if slices.ContainsFunc(info.Stages, func(s sdk.Stage) bool { return served[s] }) {
			continue // an alternative, for a file that names it
		}
		for _, s := range info.Stages {
			served[s] = true
		}
		parts = append(parts, &part{name: info.Name, plugin: p, sound: true})
	}
	return parts
}

// locate finds where the file's paths begin.
func (f *file) locate(path string) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		f.add(Fault{File: f.path, What: "the place of the file is not known", Cause: clean(err.Error()), Fix: "name it by another path", err: err})
		return
	}
	f.dir, f.lockPath = filepath.Dir(real), LockFile(real)
}

// programs reports whether the file names any.
func (f *file) programs() bool {
	return slices.ContainsFunc(f.parts, func(p *part) bool { return p.path != "" })
}

// single returns the one block of a type; nil if there is none.
func (f *file) single(blocks hcl.Blocks, name string) *hcl.Block {
	var first *hcl.Block
	for _, b := range blocks.OfType(name) {
		if first == nil {
			first = b
			continue
		}
		fault := f.at(b.TypeRange, "%s is given twice", name)
		fault.Cause = fmt.Sprintf("the first one is in line %d", first.TypeRange.Start.Line)
		fault.Fix = "keep one"
		f.add(fault)
	}
	return first
}

// readPlugin reads one plugin block.
func (f *file) readPlugin(b *hcl.Block, bundled []sdk.Plugin) {
	before := len(f.list)
	p := &part{name: b.Labels[0], at: b.LabelRanges[0]}
	content := f.content(b.Body, pluginSchema, fmt.Sprintf("plugin %q", clean(p.name)))
	for _, name := range slices.Sorted(maps.Keys(content.Attributes)) {
		f.readKey(p, content.Attributes[name])
	}
	f.readRestart(p, f.single(content.Blocks, "restart"))
	if o := f.single(content.Blocks, "options"); o != nil {
		var diags hcl.Diagnostics
		p.options, diags = o.Body.JustAttributes()
		p.optionsAt = o.TypeRange
		f.explain(diags, nil, "")
	}
	if first := slices.IndexFunc(f.parts, func(other *part) bool { return other.name == p.name }); first >= 0 {
		fault := f.at(p.at, "plugin %q is given twice", clean(p.name))
		fault.Cause = fmt.Sprintf("the first one is in line %d", f.parts[first].at.Start.Line)
		fault.Fix = "keep one; a plugin serves all its stages at once"
		f.add(fault)
		return
	}
	if p.path == "" && content.Attributes["path"] == nil {
		f.link(p, bundled)
		f.programKeysOf(content.Attributes)
	}
	p.sound = len(f.list) == before
	f.parts = append(f.parts, p)
}

// readKey reads one key of a plugin block.
func (f *file) readKey(p *part, a *hcl.Attribute) {
	switch a.Name {
	case "stages":
		p.stagesAt = a.Expr.Range()
		p.stages = f.stages(a)
	case "path":
		p.pathAt = a.Expr.Range()
		if path, ok := f.string(a); ok {
			p.path = f.program(p, path)
		}
	case "args":
		p.args, _ = f.strings(a)
	case "env":
		p.env, _ = f.strings(a)
		for _, name := range p.env {
			if name == "" || strings.ContainsAny(name, "=\x00") {
				fault := f.at(a.Expr.Range(), "env holds %q, which is no name of a variable", name)
				fault.Fix = `list names like "HOME"; their values are taken from the environment`
				f.add(fault)
			}
		}
	case "start_timeout":
		p.startTimeout, _ = f.duration(a, time.Millisecond)
	case "unlocked":
		p.unlocked, _ = f.bool(a)
	}
}

// programKeysOf adds a fault for each key that says nothing about a linked-in plugin.
func (f *file) programKeysOf(keys hcl.Attributes) {
	for _, name := range []string{"args", "env", "start_timeout", "unlocked"} {
		if a := keys[name]; a != nil {
			fault := f.at(a.NameRange, "%s without path", name)
			fault.Cause, fault.Fix = "the plugin is bundled: no program is started", "remove it, or add path"
			f.add(fault)
		}
	}
}

// stages reads a list of stages.
func (s *source) stages(a *hcl.Attribute) []sdk.Stage {
	words, ok := s.strings(a)
	if ok && len(words) == 0 {
		fault := s.at(a.Expr.Range(), "stages is empty")
		fault.Fix = "list the stages it serves, or remove the key for all that it can"
		s.add(fault)
	}
	var known []string
	for _, stage := range sdk.Stages() {
		known = append(known, string(stage))
	}
	var stages []sdk.Stage
	for _, w := range words {
		if !slices.Contains(known, w) {
			fault := s.at(a.Expr.Range(), "there is no stage %q", clean(w))
			fault.Suggestion, fault.Fix = nearest(w, known), "use some of: "+strings.Join(known, ", ")
			s.add(fault)
		} else if slices.Contains(stages, sdk.Stage(w)) {
			fault := s.at(a.Expr.Range(), "stage %s is listed twice", w)
			fault.Fix = "list it once"
			s.add(fault)
		}
		stages = append(stages, sdk.Stage(w))
	}
	return stages
}

// link finds the linked-in plugin that p names.
func (f *file) link(p *part, bundled []sdk.Plugin) {
	var names []string
	for _, b := range bundled {
		name := b.Describe().Name
		names = append(names, name)
		if name == p.name {
			p.plugin = b
			return
		}
	}
	fault := f.at(p.at, "plugin %q is not linked into this program", clean(p.name))
	fault.Suggestion = nearest(p.name, names)
	fault.Fix = "add the path of its program, or use one of: " + strings.Join(names, ", ")
	f.add(fault)
}

// readRestart reads the budget of restarts.
func (f *file) readRestart(p *part, b *hcl.Block) {
	if b == nil {
		return
	}
	p.restart = &kernel.Restart{}
	content := f.content(b.Body, restartSchema, "restart")
	for name, a := range content.Attributes {
		switch name {
		case "max":
			if p.restart.Max, _ = f.count(a); p.restart.Max == 0 {
				p.restart.Max = -1 // as the kernel says "never"
			}
		case "per":
			p.restart.Per, _ = f.duration(a, time.Millisecond)
		case "backoff":
			p.restart.Backoff, _ = f.duration(a, time.Nanosecond)
		}
	}
}

// program returns the absolute path of a program named in the file and adds a fault
// if there is none that could be started.
func (f *file) program(p *part, path string) string {
	if path == "" {
		fault := f.at(p.pathAt, "path is empty")
		fault.Fix = "name the program, or remove the key for the bundled plugin"
		f.add(fault)
		return ""
	}
	full := filepath.FromSlash(path)
	if !filepath.IsAbs(full) {
		full = filepath.Join(f.dir, full)
	}
	if _, err := os.Stat(full); err != nil && executableSuffix != "" && !strings.HasSuffix(full, executableSuffix) {
		full += executableSuffix // so that one file serves several platforms
	}
	if err := executable(full); err != nil {
		fault := f.at(p.pathAt, "the program of plugin %q cannot be used", clean(p.name))
		fault.Cause, fault.err = clean(err.Error()), err
		fault.Fix = "build or install it there, or correct the path; paths begin at the directory of this file"
		f.add(fault)
	}
	return full
}
