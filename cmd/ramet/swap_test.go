package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStageIsSwappedWithoutRecompiling: a store from another module is built, its
// program dropped in and the file edited; the ramet that runs the demonstration is
// the one that was built before it.
func TestStageIsSwappedWithoutRecompiling(t *testing.T) {
	before, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "ramet.hcl")
	works(t, "init", "--external", path)
	buildElsewhere(t, "../../examples/third-party-store", filepath.Join(dir, "acme-store"+suffix()))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	swapped := regexp.MustCompile(`(?s)plugin "store-sqlite" \{.*?\n\}\n`).ReplaceAllString(string(text), `plugin "acme-store" {
  path = "acme-store"
  options {
    journal = "openings.txt"
  }
}
`)
	if err := os.WriteFile(path, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	works(t, "plugin", "lock", "--assembly", path)
	if out := works(t, "validate", path); !strings.Contains(out, "acme-store") || strings.Contains(out, "store-sqlite") {
		t.Errorf("validate: got\n%s", out)
	}
	workdir := filepath.Join(dir, "w")
	r := ramet(t, "", "demo", "--assembly", path, "--workdir", workdir, "--duration", "4s", "--kills", "2", "--stops", "0", "--plugin-kills", "2", "--json")
	var got struct{ Kills, Acked, Lost, Duplicated int }
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.status != exitOK || got.Kills != 2 || got.Lost+got.Duplicated > 0 || got.Acked < 50 {
		t.Errorf("exit %d, %+v, %v\n%s%s", r.status, got, err, r.out, r.errs)
	}
	journal, err := os.ReadFile(filepath.Join(workdir, ".ramet", "openings.txt"))
	if n := strings.Count(string(journal), "opened"); err != nil || n < 3 {
		t.Errorf("the third-party store was opened %d times: %v", n, err)
	}
	if after, err := os.ReadFile(program); err != nil || !bytes.Equal(after, before) {
		t.Errorf("ramet is another program than before: %v", err)
	}
}

// buildElsewhere builds a module of its own against this one.
func buildElsewhere(t *testing.T, module, output string) {
	t.Helper()
	ramet, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "module")
	if err := os.CopyFS(dir, os.DirFS(module)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mod", "edit", "-replace=github.com/ramet-io/ramet=" + ramet},
		{"build", "-mod=mod", "-o", output, "."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, out)
		}
	}
}
