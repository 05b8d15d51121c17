package assembly_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/plugins/bundled"
)

func (in installed) lockText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(in.path("ramet.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (in installed) real(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(in.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const foreign = `
plugin "store-sqlite" {
  platform "plan9/mips" {
    version = "0.0.9"
    sha256  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    stages  = ["store"]
  }
}
plugin "retired" {
  platform "plan9/mips" {
    version = "1"
    sha256  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    stages  = ["store"]
  }
}
`

func TestLockKeepsOtherPlatforms(t *testing.T) {
	in := install(t)
	in.write(t, external())
	if err := os.WriteFile(in.path("ramet.lock.hcl"), []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	in.lock(t, "store-sqlite")
	text := in.lockText(t)
	for _, part := range []string{"plan9/mips", "retired", strings.Repeat("a", 64), "0.0.9"} {
		if !strings.Contains(text, part) {
			t.Errorf("after the lock of one plugin: no %s in\n%s", part, text)
		}
	}
	if strings.Contains(text, "failover-lease") {
		t.Errorf("a plugin that was not named was locked:\n%s", text)
	}
	in.lock(t)
	text = in.lockText(t)
	if strings.Contains(text, "retired") || !strings.Contains(text, "plan9/mips") || !strings.Contains(text, "failover-lease") {
		t.Errorf("after the lock of all:\n%s", text)
	}
	before, err := os.Stat(in.path("ramet.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	in.lock(t)
	if again := in.lockText(t); again != text {
		t.Errorf("the same lock twice:\n%s\n%s", text, again)
	}
	if after, err := os.Stat(in.path("ramet.lock.hcl")); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("a lock without a change touched the file: %v", err)
	}
	if entries, err := os.ReadDir(in.dir); err != nil || len(entries) != 3 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
}

// TestFailedLockChangesNothing: one program of three does not start.
func TestFailedLockChangesNothing(t *testing.T) {
	in := install(t)
	in.write(t, external())
	in.lock(t)
	before := in.lockText(t)
	in.write(t, program("dies")+external())
	_, err := assembly.Lock(context.Background(), in.file, bundled.All())
	var faults *assembly.Error
	if !errors.As(err, &faults) || len(faults.Faults) != 1 || faults.Faults[0].Line != 2 {
		t.Errorf("got %v", err)
	}
	_, err = assembly.Lock(context.Background(), in.file, bundled.All(), "stroe-sqlite")
	if !errors.As(err, &faults) || faults.Faults[0].Suggestion != "store-sqlite" {
		t.Errorf("got %v", err)
	}
	if got := in.lockText(t); got != before {
		t.Errorf("got\n%s\nwant\n%s", got, before)
	}
}

func TestListStartsNothingAndTellsTheState(t *testing.T) {
	in := install(t)
	copyFile(t, in.path("prog"), in.path("second"))
	in.write(t, strings.Replace(external(), "prog", "second", 1))
	in.lock(t)
	if err := os.WriteFile(in.path("second"), []byte("#!/bin/sh\ntouch "+in.path("started")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	parts, err := assembly.List(in.file, bundled.All())
	if err != nil || len(parts) != 3 {
		t.Fatalf("got %v, %v", parts, err)
	}
	if p := parts[0]; p.State != assembly.Changed || !p.Refused() || p.Version != "0.1.0" || len(p.Stages) != 2 || !strings.Contains(p.Reason, "checksum") {
		t.Errorf("changed: got %+v", p)
	}
	if p := parts[1]; p.State != assembly.Locked || p.Refused() {
		t.Errorf("locked: got %+v", p)
	}
	if _, err := os.Stat(in.path("started")); err == nil {
		t.Error("List started a program")
	}
	if err := os.Remove(in.path("second")); err != nil {
		t.Fatal(err)
	}
	if parts, err := assembly.List(in.file, bundled.All()); err == nil || parts[0].State != assembly.Unusable {
		t.Errorf("missing: got %+v, %v", parts, err)
	}
	if err := os.Remove(in.path("ramet.lock.hcl")); err != nil {
		t.Fatal(err)
	}
	if parts, _ := assembly.List(in.file, bundled.All()); parts[1].State != assembly.NotLocked || !parts[1].Refused() {
		t.Errorf("not locked: got %+v", parts[1])
	}
}

// TestLockWhatWasHashed: a name with characters that HCL reads in its own way.
func TestLockFileSurvivesOddNames(t *testing.T) {
	for _, name := range []string{`a"b`, "a${b}", "a%{b}", `back\slash`, "tab\tand\x01", "ünicode", "$${", "%%{", "new\nline"} {
		text := assembly.LockText(name, "1.0-"+name)
		path := write(t, "x.lock.hcl", text)
		if got, err := assembly.ReadLockText(path); err != nil || got != name+" 1.0-"+name {
			t.Errorf("%q: got %q, %v in\n%s", name, got, err, text)
		}
	}
}
