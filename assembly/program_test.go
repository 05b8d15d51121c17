package assembly_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// lock trusts the programs of in.
func (in installed) lock(t *testing.T, names ...string) []assembly.Part {
	t.Helper()
	parts, err := assembly.Lock(context.Background(), in.file, bundled.All(), names...)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// TestProgramsServeAKernel: the same application, every stage in a process of its
// own.
func TestProgramsServeAKernel(t *testing.T) {
	sdktest.NoLeaks(t)
	in := install(t)
	in.write(t, external()+"kernel {\n  failover = \"auto\"\n}\n")
	for _, p := range in.lock(t) {
		if p.State != assembly.Locked || p.Version == "" || p.Path != in.real(t, "prog") || len(p.Stages) == 0 {
			t.Errorf("after the lock: %+v", p)
		}
	}
	a := load(t, in.file)
	cfg := kernel.Config{Workdir: t.TempDir()}
	a.Apply(&cfg)
	inst, err := kernel.Bootstrap(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inst.DB().Exec("CREATE TABLE t (a)"); err != nil {
		t.Error(err)
	}
	if !cfg.Failover {
		t.Error("the kernel block was not applied")
	}
	if err := inst.Close(); err != nil {
		t.Error(err)
	}
}

func TestOptionsOfAProgram(t *testing.T) {
	in := install(t)
	others := "plugin \"transport-unix\" {}\nplugin \"failover-lease\" {}\n"
	with := func(options string) { in.write(t, program("strict", "options {\n"+options+"}\n")+others) }
	with("")
	in.lock(t)
	with("conns = 0\nfats = true\nwait = \"10ms\"\n")
	compare(t, faultsOf(t, in.file), []want{{4, "needs the option url"}, {5, "use 1 or more"}, {6, "did you mean: fast"}, {7, "use 1s or more"}})
	with("conns = \"7\"\nfast = 1\nwait = 3\nurl = true\n")
	compare(t, faultsOf(t, in.file), []want{{5, "whole number"}, {6, "true or false"}, {7, "duration in quotes"}, {8, "must be a string"}})
	with("conns = 7\nfast = true\nwait = \"1m\"\nurl = \"x://\"\n")
	var cfg kernel.Config
	load(t, in.file).Apply(&cfg)
	if got, want := string(cfg.Options["strict"]), `{"conns":7,"fast":true,"url":"x://","wait":"1m0s"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOnlyAllowedVariablesReachAProgram: the host's environment holds secrets.
func TestOnlyAllowedVariablesReachAProgram(t *testing.T) {
	t.Setenv("RAMET_TEST_SECRET", "s3cret")
	t.Setenv("RAMET_TEST_SHARED", "shared value")
	in := install(t)
	text := strings.Replace(program("describes-itself", `env = ["RAMET_TEST_SHARED", "RAMET_TEST_UNSET"]`, "options {\n url = \"\"\n}"),
		`"]`, `", "an argument"]`, 1)
	in.write(t, text+"plugin \"transport-unix\" {}\nplugin \"failover-lease\" {}\n")
	in.lock(t)
	var cfg kernel.Config
	load(t, in.file).Apply(&cfg)
	info := cfg.Plugins[0].Describe()
	doc := info.Options[0].Doc
	if !strings.Contains(doc, "an argument|") || !strings.Contains(doc, "RAMET_TEST_SHARED=shared value") {
		t.Errorf("not handed on: %s", doc)
	}
	for _, secret := range []string{"s3cret", "RAMET_TEST_UNSET", "HOME="} {
		if strings.Contains(doc, secret) {
			t.Errorf("%s leaked: %s", secret, doc)
		}
	}
}

func TestProgramsThatAreNotStarted(t *testing.T) {
	others := "plugin \"transport-unix\" {}\nplugin \"failover-lease\" {}\n"
	good := program("store-sqlite") + others
	rewrite := func(name, text string) func(*testing.T, installed) {
		return func(t *testing.T, in installed) {
			if err := os.WriteFile(in.path(name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	mode := func(name string, mode os.FileMode) func(*testing.T, installed) {
		return func(t *testing.T, in installed) {
			if err := os.Chmod(in.path(name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		text  string // after the lock was written for good
		spoil func(*testing.T, installed)
		want  []want
	}{
		{"another file", good, func(t *testing.T, in installed) {
			if err := os.Remove(in.path("prog")); err != nil { // a link of this very program
				t.Fatal(err)
			}
			rewrite("prog", "#!/bin/sh\necho pwned\n")(t, in)
		}, []want{{2, "not the one that was locked"}}},
		{"no lock file", good, func(t *testing.T, in installed) { os.Remove(in.path("ramet.lock.hcl")) }, []want{{2, "if you trust it: ramet plugin lock --assembly"}}},
		{"not locked for this platform", good, rewrite("ramet.lock.hcl",
			"plugin \"store-sqlite\" {\n platform \"plan9/mips\" {\n version = \"1\"\n stages = [\"store\"]\n sha256 = \""+strings.Repeat("0", 64)+"\"\n}\n}\n"),
			[]want{{2, "not in the lock file for " + runtime.GOOS + "/" + runtime.GOARCH}}},
		{"another plugin locked", program("strict", "options {\n url = \"\"\n}") + others, nil, []want{{2, `plugin "strict" is not in the lock file`}}},
		{"damaged lock file", good, rewrite("ramet.lock.hcl", "plugin {"), []want{{1, "repair it, or remove it and write it anew"}}},
		{"lock file of another shape", good, rewrite("ramet.lock.hcl", "plugin \"store-sqlite\" {\n platform \"linux/amd64\" {\n  sha = \"x\"\n  sha256 = \"abc\"\n version = 5\n}\n}\n"),
			[]want{{2, "has no stages"}, {3, "did you mean: sha256"}, {4, "not 64 hexadecimal digits"}, {5, "must be a string"}}},
		{"another plugin's program", strings.Replace(good, `, "store-sqlite"]`, `, "failover-lease"]`, 1), nil,
			[]want{{2, `is plugin "failover-lease"`}}},
		{"dies at once", strings.Replace(good, `, "store-sqlite"]`, `, "dies"]`, 1), nil, []want{{2, "no licence found"}}},
		{"others may change the program", good, mode("prog", 0o757), []want{{2, "go-w"}}},
		{"others may change the assembly", good, mode("ramet.hcl", 0o622), []want{{0, "others may change it"}}},
		{"others may change the lock file", good, mode("ramet.lock.hcl", 0o664), []want{{0, "others may change it"}}},
		{"others may change the directory", good, mode(".", 0o777), []want{{0, "others may change it"}}},
		{"not executable", good, mode("prog", 0o644), []want{{2, "not executable"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(c.name, "others may") {
				t.Log("access lists are not read here: nothing to test")
				return
			}
			sdktest.NoLeaks(t)
			in := install(t)
			in.write(t, good)
			in.lock(t)
			in.write(t, c.text)
			if c.spoil != nil {
				c.spoil(t, in)
			}
			compare(t, faultsOf(t, in.file), c.want)
		})
	}
}

// TestUnlockedProgramIsStartedWithAWarning: what is built every minute.
func TestUnlockedProgramIsStartedWithAWarning(t *testing.T) {
	in := install(t)
	in.write(t, program("store-sqlite", "unlocked = true")+"plugin \"transport-unix\" {}\nplugin \"failover-lease\" {}\n")
	a := load(t, in.file)
	if w := a.Warnings(); len(w) != 1 || !strings.Contains(w[0], "store-sqlite") {
		t.Errorf("warnings: %q", w)
	}
	i := slices.IndexFunc(a.Parts(), func(p assembly.Part) bool { return p.State == assembly.Unlocked })
	if i < 0 || a.Parts()[i].Refused() {
		t.Errorf("parts: %+v", a.Parts())
	}
}
