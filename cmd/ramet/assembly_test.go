package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/kernel"
)

// file writes text to name in a fresh directory of ours.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// initialised returns an assembly of plugin programs.
func initialised(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ramet.hcl")
	works(t, "init", "--external", path)
	return path
}

func TestInitWritesWhatValidates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ramet.hcl")
	if out := works(t, "init", "--workdir", dir); !strings.Contains(out, "wrote "+path) || !strings.Contains(out, "--assembly "+path) {
		t.Errorf("init: got %q", out)
	}
	out := works(t, "validate", path)
	if !strings.HasPrefix(out, path+": ok\n") || strings.Count(out, "bundled") != 5 {
		t.Errorf("validate: got\n%s", out)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "\n  failover = \"auto\"") {
		t.Errorf("failover is not on in\n%s", text)
	}
	if r := ramet(t, "", "init", path); r.status != exitUsage || !strings.Contains(r.errs, "--force") {
		t.Errorf("over a file: exit %d, %s", r.status, r.errs)
	}
	works(t, "init", "--force", path)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
}

func TestInitExternalRunsEveryStageAsAProgram(t *testing.T) {
	path := initialised(t)
	if out := works(t, "validate", path); strings.Count(out, " external ") != 5 || strings.Count(out, "locked") != 5 {
		t.Errorf("validate: got\n%s", out)
	}
	works(t, "plugin", "verify", "--assembly", path)
	dir := t.TempDir()
	first := stays(t, "run", "--workdir", dir, "--id", "first", "--assembly", path)
	first.await(first.out, "first is primary")
	second := stays(t, "run", "--workdir", dir, "--id", "second", "--assembly", path)
	second.await(second.out, "second is secondary")
	works(t, "sql", "--workdir", dir, "--assembly", path, "CREATE TABLE t (a)")
	works(t, "sql", "--workdir", dir, "INSERT INTO t VALUES (1)") // bundled meets external
	var s kernel.Status
	if err := json.Unmarshal([]byte(works(t, "status", "--json", "--workdir", dir, "--assembly", path)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Primary != "first" || len(s.Stages) != 5 {
		t.Errorf("status: got %+v", s)
	}
	for _, stage := range s.Stages {
		if stage.PID == 0 || stage.PID == s.Instances[0].PID || stage.Health != "ready" {
			t.Errorf("status: got %+v", stage)
		}
	}
	if out := works(t, "status", "--workdir", dir); strings.Count(out, " external ") != 5 || strings.Count(out, " ready") != 5 {
		t.Errorf("status: got\n%s", out)
	}
	if status := first.leave(os.Interrupt); status != exitOK {
		t.Errorf("first: exit %d", status)
	}
	second.await(second.out, "second is primary")
	if got := works(t, "sql", "--json", "--workdir", dir, "--assembly", path, "SELECT a FROM t"); got != "{\"a\":1}\n" {
		t.Errorf("got %q", got)
	}
	if status := second.leave(os.Interrupt); status != exitOK {
		t.Errorf("second: exit %d", status)
	}
}

func TestInitThatCannotLockLeavesNothing(t *testing.T) {
	dir, programs := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "ramet.hcl")
	r := ramet(t, "", "init", "--external", "--plugins", programs, path)
	if r.status != exitUsage || strings.Count(r.errs, "no such file") != 3 {
		t.Errorf("exit %d: %s", r.status, r.errs)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
}

// TestInitThatFailsKeepsTheFileThatWasThere, with the edits of its owner.
func TestInitThatFailsKeepsTheFileThatWasThere(t *testing.T) {
	path := file(t, "ramet.hcl", "# my own edits\n")
	r := ramet(t, "", "init", "--external", "--force", "--plugins", t.TempDir(), path)
	if r.status != exitUsage || strings.Contains(r.out, "wrote") {
		t.Errorf("exit %d: %s%s", r.status, r.out, r.errs)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "# my own edits\n" {
		t.Errorf("the file holds %q (%v)", text, err)
	}
}

func TestAssemblyIsNamedByFlagOrVariableOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ramet.hcl")
	if err := os.WriteFile(path, []byte("kernel {\n  data = \"named.db\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "named.db")
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)")
	if _, err := os.Stat(named); err == nil {
		t.Error("an assembly that nobody named was used")
	}
	t.Setenv(assemblyVariable, path)
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)")
	if _, err := os.Stat(named); err != nil {
		t.Errorf("$%s was not used: %v", assemblyVariable, err)
	}
	works(t, "sql", "--workdir", dir, "--assembly", "", "DROP TABLE t") // the other database
	t.Setenv(assemblyVariable, filepath.Join(dir, "none.hcl"))
	works(t, "sql", "--workdir", dir, "--assembly", path, "DROP TABLE t")
}

func TestFlagOverrulesAssembly(t *testing.T) {
	dir := t.TempDir()
	path := file(t, "ramet.hcl", "kernel {\n  failover = \"off\"\n}\n")
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{}, true},
		{[]string{"--assembly", path}, false},
		{[]string{"--assembly", path, "--failover", "auto"}, true},
		{[]string{"--failover", "off"}, false},
	} {
		p := stays(t, append([]string{"run", "--workdir", dir}, c.args...)...)
		p.await(p.out, "is primary")
		var s kernel.Status
		if err := json.Unmarshal([]byte(works(t, "status", "--json", "--workdir", dir)), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Instances) != 1 || s.Instances[0].Failover != c.want {
			t.Errorf("%q: got %+v", c.args, s.Instances)
		}
		p.leave(os.Interrupt)
	}
}

func TestFaultsOfAnAssemblyArePrintedAsLines(t *testing.T) {
	path := file(t, "ramet.hcl", "kernel {\n  failovr = \"auto\"\n  ttl = 5\n}\n")
	for _, args := range [][]string{
		{"validate", path}, {"run", "--workdir", t.TempDir(), "--assembly", path}, {"status", "--assembly", path},
		{"plugin", "lock", "--assembly", path}, {"plugin", "verify", "--assembly", path},
	} {
		r := ramet(t, "", args...)
		for _, part := range []string{"has 2 faults\n", path + ":2:3: ", "did you mean: failover", path + ":3:9: ", "  3 |   ttl = 5\n"} {
			if r.status != exitUsage || !strings.Contains(r.errs, part) {
				t.Errorf("%q: exit %d, no %q in\n%s", args, r.status, part, r.errs)
			}
		}
	}
	r := ramet(t, "", "validate", "--json", path)
	var v verdict
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.status != exitUsage {
		t.Fatalf("exit %d, %v: %s", r.status, err, r.out)
	}
	if v.OK || v.File != path || len(v.Faults) != 2 || v.Faults[0].Line != 2 || v.Faults[0].Suggestion != "failover" || v.Faults[0].Fix == "" {
		t.Errorf("got %+v", v)
	}
}

func TestMissingAssemblyIsAnError(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.hcl")
	for _, args := range [][]string{
		{"run", "--assembly", none}, {"sql", "--assembly", none, "SELECT 1"}, {"status", "--assembly", none}, {"validate", none},
		{"plugin", "list", "--assembly", none}, {"plugin", "lock", "--assembly", none}, {"plugin", "verify", "--assembly", none},
		{"plugin", "info", "--assembly", none, "store-sqlite"}, {"validate", "--workdir", t.TempDir()}, {"plugin", "frobnicate"},
	} {
		r := ramet(t, "", args...)
		if r.status != exitUsage || strings.Count(r.errs, "\n") != 1 || r.out != "" {
			t.Errorf("%q: exit %d, %q, %q", args, r.status, r.errs, r.out)
		}
	}
}

func TestPluginListOfNothingIsTheBundledOnes(t *testing.T) {
	var parts []assembly.Part
	if err := json.Unmarshal([]byte(works(t, "plugin", "list", "--json", "--workdir", t.TempDir())), &parts); err != nil {
		t.Fatal(err)
	}
	if len(parts) != 3 || parts[0].State != assembly.Linked {
		t.Errorf("got %+v", parts)
	}
}

// TestReplacedProgramIsRefused until it is locked again.
func TestReplacedProgramIsRefused(t *testing.T) {
	programs := filepath.Join(t.TempDir(), "plugins")
	if err := os.CopyFS(programs, os.DirFS(filepath.Join(filepath.Dir(program), "plugins"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(programs), "ramet.hcl")
	works(t, "init", "--external", "--plugins", programs, path)
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "path = \"plugins/store-sqlite") {
		t.Errorf("the path is not relative in\n%s", text)
	}
	store := filepath.Join(programs, "store-sqlite"+suffix())
	f, err := os.OpenFile(store, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("one byte more is another program"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r := ramet(t, "", "plugin", "verify", "--assembly", path)
	if r.status != exitUsage || !strings.Contains(r.errs, "store-sqlite is changed") || strings.Count(r.out, " locked ") != 4 {
		t.Errorf("verify: exit %d\n%s%s", r.status, r.out, r.errs)
	}
	r = ramet(t, "", "sql", "--workdir", t.TempDir(), "--assembly", path, "SELECT 1")
	if r.status != exitUsage || !strings.Contains(r.errs, "not the one that was locked") || !strings.Contains(r.errs, "ramet plugin lock --assembly "+path) {
		t.Errorf("sql: exit %d\n%s", r.status, r.errs)
	}
	works(t, "plugin", "lock", "--assembly", path, "store-sqlite")
	works(t, "plugin", "verify", "--assembly", path)
	works(t, "sql", "--workdir", t.TempDir(), "--assembly", path, "SELECT 1")
}

func suffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func TestPluginInfo(t *testing.T) {
	path := initialised(t)
	programPath := filepath.Join(filepath.Dir(program), "plugins", "failover-lease"+suffix())
	want := works(t, "plugin", "info", "failover-lease")
	for _, part := range []string{"0.1.0", "lock, watcher", "lock.takeover", "ttl", "duration", "3s", "300ms", "How long"} {
		if !strings.Contains(want, part) {
			t.Errorf("no %q in\n%s", part, want)
		}
	}
	if got := works(t, "plugin", "info", "--assembly", path, "failover-lease"); got != want {
		t.Errorf("of the assembly: got\n%s\nwant\n%s", got, want)
	}
	if got := works(t, "plugin", "info", programPath); got != want {
		t.Errorf("of a program: got\n%s\nwant\n%s", got, want)
	}
	var d described
	if err := json.Unmarshal([]byte(works(t, "plugin", "info", "--json", programPath)), &d); err != nil || d.Name != "failover-lease" || len(d.Options) != 2 {
		t.Errorf("got %+v, %v", d, err)
	}
	if r := ramet(t, "", "plugin", "info", "nothing"); r.status != exitUsage {
		t.Errorf("unknown: exit %d", r.status)
	}
	if r := ramet(t, "", "plugin", "info", program); r.status == exitOK {
		t.Error("a program that is no plugin was described")
	}
}

func TestExampleFilesValidate(t *testing.T) {
	dir := examples(t)
	for _, name := range []string{"bundled.hcl", "bundled.hcl.json", "external.hcl", "zmq.hcl", "zmq-external.hcl"} {
		works(t, "validate", filepath.Join(dir, name))
	}
}

// TestDemoOnZeroMQ runs the demonstration unchanged on assemblies that differ from the
// default by the transport only.
func TestDemoOnZeroMQ(t *testing.T) {
	dir := examples(t)
	for _, name := range []string{"zmq.hcl", "zmq-external.hcl"} {
		r := ramet(t, "", "demo", "--assembly", filepath.Join(dir, name), "--duration", "4s", "--kills", "2", "--stops", "0", "--json")
		var got struct {
			Kills, Acked, Lost, Duplicated int
			Failures                       []string
		}
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatalf("%s: exit %d, %v\n%s%s", name, r.status, err, r.out, r.errs)
		}
		if r.status != exitOK || got.Kills != 2 || got.Lost+got.Duplicated+len(got.Failures) > 0 || got.Acked < 50 {
			t.Errorf("%s: exit %d, %+v\n%s", name, r.status, got, r.errs)
		}
	}
}

// examples copies examples/assembly to where its paths lead to the plugin programs,
// and trusts those.
func examples(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "examples", "assembly")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(program), filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("../../examples/assembly")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"external.hcl", "zmq-external.hcl"} {
		works(t, "plugin", "lock", "--assembly", filepath.Join(dir, name))
	}
	return dir
}
