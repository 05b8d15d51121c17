package assembly

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ramet-io/ramet/sdk"
)

// lock is what a lock file holds: by plugin and platform the one program that may
// be started.
type lock struct {
	plugins map[string]map[string]locked
}

// locked is a program that was trusted once.
type locked struct {
	version string
	sha256  string // in hexadecimal, 64 characters
	stages  []sdk.Stage
}

var (
	lockSchema   = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "plugin", LabelNames: []string{"name"}}}}
	lockedSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "platform", LabelNames: []string{"os/arch"}}}}
	entrySchema  = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "version"}, {Name: "sha256"}, {Name: "stages"}}}
)

// platform is what this program runs on, as a lock file names it.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// LockFile returns the path of the lock file that belongs to the assembly at path:
// ramet.hcl and ramet.hcl.json both have ramet.lock.hcl.
func LockFile(path string) string {
	path = strings.TrimSuffix(path, ".json")
	return strings.TrimSuffix(path, ".hcl") + ".lock.hcl"
}

// readLock reads the lock file, if there is one. Its faults are the assembly's.
func (f *file) readLock() {
	if f.lockPath == "" || missing(f.lockPath) {
		return
	}
	s := open(f.lockPath, LockFile(f.path))
	f.lock = &lock{plugins: map[string]map[string]locked{}}
	if s.body != nil {
		for _, b := range s.content(s.body, lockSchema, "the lock file").Blocks {
			s.readLocked(b, f.lock)
		}
	}
	for _, fault := range s.list {
		if fault.Fix == "" || s.body == nil {
			fault.Fix = "repair it, or remove it and write it anew: " + f.lockCommand()
		}
		f.add(fault)
	}
}

// readLocked reads the block of one plugin.
func (s *source) readLocked(b *hcl.Block, into *lock) {
	name := b.Labels[0]
	if into.plugins[name] == nil {
		into.plugins[name] = map[string]locked{}
	}
	for _, p := range s.content(b.Body, lockedSchema, "plugin").Blocks {
		on := p.Labels[0]
		if _, twice := into.plugins[name][on]; twice {
			s.add(s.at(p.LabelRanges[0], "plugin %q is locked twice for %s", clean(name), clean(on)))
		}
		into.plugins[name][on] = s.readEntry(p)
	}
}

// readEntry reads what is locked of a plugin on one platform.
func (s *source) readEntry(b *hcl.Block) (entry locked) {
	keys := s.content(b.Body, entrySchema, "platform").Attributes
	for _, key := range entrySchema.Attributes {
		a := keys[key.Name]
		if a == nil {
			s.add(s.at(b.LabelRanges[0], "the entry has no %s", key.Name))
			continue
		}
		switch key.Name {
		case "version":
			entry.version, _ = s.string(a)
		case "sha256":
			text, ok := s.string(a)
			if raw, err := hex.DecodeString(text); ok && (err != nil || len(raw) != sha256.Size) {
				s.add(s.at(a.Expr.Range(), "sha256 is not %d hexadecimal digits", 2*sha256.Size))
			}
			entry.sha256 = strings.ToLower(text)
		case "stages":
			entry.stages = s.stages(a)
		}
	}
	return entry
}

// of returns the entry of a plugin for this platform; zero if there is none.
func (l *lock) of(name string) locked {
	if l == nil {
		return locked{}
	}
	return l.plugins[name][platform()]
}

// lockCommand is what brings the lock file up to date.
func (f *file) lockCommand() string { return "ramet plugin lock --assembly " + quoted(f.path) }

// quoted quotes a path for a shell if it needs that.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t\"'$&;()<>|*?`\\") {
		return fmt.Sprintf("%q", path)
	}
	return clean(path)
}

const lockHeader = `# Which plugin programs may be started: version and SHA-256 of each, by platform.
# Written by "ramet plugin lock", which changes the present platform only. Keep it
# beside the assembly, in version control too.
`

// bytes returns the lock file's text, the same for the same content.
func (l *lock) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(lockHeader)
	for _, name := range slices.Sorted(maps.Keys(l.plugins)) {
		fmt.Fprintf(&b, "\nplugin %s {\n", literal(name))
		for _, on := range slices.Sorted(maps.Keys(l.plugins[name])) {
			entry := l.plugins[name][on]
			fmt.Fprintf(&b, "  platform %s {\n    version = %s\n    sha256  = %s\n    stages  = [", literal(on),
				literal(entry.version), literal(entry.sha256))
			for n, stage := range entry.stages {
				if n > 0 {
					b.WriteString(", ")
				}
				b.WriteString(literal(string(stage)))
			}
			b.WriteString("]\n  }\n")
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

// write replaces the file at path at once: a reader sees the old or the new one. It
// leaves the file alone if nothing changed.
func (l *lock) write(path string) (err error) {
	text := l.bytes()
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if len(text) > maxBytes {
		return fmt.Errorf("the lock file would be %d bytes long; at most %d are read", len(text), maxBytes)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ramet.lock-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}
