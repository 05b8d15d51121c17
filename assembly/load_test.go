package assembly_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// load loads a file that is in order.
func load(t *testing.T, path string) *assembly.Assembly {
	t.Helper()
	a, err := assembly.Load(context.Background(), path, bundled.All())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestNothingSaidIsTheBundledDefault(t *testing.T) {
	for name, path := range map[string]string{
		"no path":      "",
		"no file":      filepath.Join(t.TempDir(), "ramet.hcl"),
		"empty":        write(t, "ramet.hcl", ""),
		"empty JSON":   write(t, "ramet.hcl.json", " \n"),
		"comments":     write(t, "ramet.hcl", "# nothing\n"),
		"empty kernel": write(t, "ramet.hcl", "kernel {}"),
	} {
		t.Run(name, func(t *testing.T) {
			a := load(t, path)
			cfg := kernel.Config{Workdir: "w", Failover: true}
			a.Apply(&cfg)
			want := kernel.Config{Workdir: "w", Failover: true, Plugins: bundled.All(), Options: map[string][]byte{},
				Restarts: map[string]kernel.Restart{}}
			if !reflect.DeepEqual(cfg, want) {
				t.Errorf("got %+v, want %+v", cfg, want)
			}
			if found := path != "" && name != "no file"; a.Found() != found {
				t.Errorf("Found: got %v", a.Found())
			}
		})
	}
}

// TestAlternativesAreForFilesThatNameThem: a program may link in two plugins for one
// stage; the first is the default.
func TestAlternativesAreForFilesThatNameThem(t *testing.T) {
	linked := append(bundled.All(), sdktest.MemTransport())
	other := sdktest.MemTransport().Describe().Name
	for path, want := range map[string]string{
		"": "transport-unix",
		write(t, "ramet.hcl", "plugin \""+other+"\" {}\nplugin \"failover-lease\" {}\nplugin \"store-sqlite\" {}\n"): other,
	} {
		a, err := assembly.Load(t.Context(), path, linked)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range a.Parts() {
			if slices.Contains(part.Stages, sdk.StageTransport) && part.Name != want {
				t.Errorf("%q: %s serves the transport, want %s", path, part.Name, want)
			}
		}
		if n := len(a.Parts()); n != 3 {
			t.Errorf("%q: %d plugins", path, n)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLostAssemblyIsNoDefault: beside a lock file there was an assembly.
func TestLostAssemblyIsNoDefault(t *testing.T) {
	path := write(t, "ramet.lock.hcl", "")
	compare(t, faultsOf(t, filepath.Join(filepath.Dir(path), "ramet.hcl")), []want{{0, "the assembly is missing"}})
}

func TestDanglingLinkIsNoDefault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ramet.hcl")
	if err := os.Symlink("nowhere", path); err != nil {
		t.Fatal(err)
	}
	compare(t, faultsOf(t, path), []want{{0, "no such file"}})
}

func TestDirectoryIsNoAssembly(t *testing.T) {
	compare(t, faultsOf(t, t.TempDir()), []want{{0, "not a regular file"}})
}

const everything = `
kernel {
  failover         = "auto"
  durability       = "process"
  on_lock_error    = "fail"
  data             = "sub/app.db"
  ttl              = "1s"
  call_timeout     = "2s"
  start_timeout    = "3s"
  tx_idle          = "4s"
  tx_total         = "5s"
  change_log       = false
  change_retention = 6
}
plugin "store-sqlite" {
  restart {
    max     = 0
    backoff = "20ms"
  }
}
plugin "transport-unix" {
  stages = ["transport", "ports"]
  options {
    dir = "/run/x"
  }
}
plugin "failover-lease" {
  options {
    allow_unsafe_filesystem = true
  }
  restart {
    max = 7
    per = "1h"
  }
}
`

const everythingJSON = `{
  "//": "comments are like this",
  "kernel": {"failover": "auto", "durability": "process", "on_lock_error": "fail", "data": "sub/app.db", "ttl": "1s",
    "call_timeout": "2s", "start_timeout": "3s", "tx_idle": "4s", "tx_total": "5s", "change_log": false, "change_retention": 6},
  "plugin": {
    "store-sqlite": {"restart": {"max": 0, "backoff": "20ms"}},
    "transport-unix": {"stages": ["transport", "ports"], "options": {"dir": "/run/x"}},
    "failover-lease": {"options": {"allow_unsafe_filesystem": true}, "restart": {"max": 7, "per": "1h"}}
  }
}`

func TestEveryKeyReachesTheKernel(t *testing.T) {
	for name, text := range map[string]string{"ramet.hcl": everything, "ramet.hcl.json": everythingJSON, "ramet.json": everythingJSON} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, text)
			cfg := kernel.Config{Workdir: "w", TTL: time.Hour, Version: "v"}
			load(t, path).Apply(&cfg)
			names := []string{}
			for _, p := range cfg.Plugins {
				info := p.Describe()
				names = append(names, fmt.Sprint(info.Name, info.Stages))
			}
			if want := []string{"store-sqlite[store]", "transport-unix[transport ports]", "failover-lease[lock watcher]"}; !slices.Equal(names, want) {
				t.Errorf("plugins: got %v, want %v", names, want)
			}
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Plugins = nil
			want := kernel.Config{Workdir: "w", Version: "v", Failover: true, Durability: sdk.DurabilityProcess,
				OnLockError: kernel.LockErrorFail, DataPath: filepath.Join(dir, "sub", "app.db"), TTL: time.Second,
				CallTimeout: 2 * time.Second, StartTimeout: 3 * time.Second, TxIdle: 4 * time.Second, TxTotal: 5 * time.Second,
				Restarts: map[string]kernel.Restart{"store-sqlite": {Max: -1, Backoff: 20 * time.Millisecond},
					"failover-lease": {Max: 7, Per: time.Hour}},
				NoChangeLog: true, ChangeRetention: 6, Options: map[string][]byte{
					"transport-unix": []byte(`{"dir":"/run/x"}`), "failover-lease": []byte(`{"allow_unsafe_filesystem":true}`)}}
			if !reflect.DeepEqual(cfg, want) {
				t.Errorf("got  %+v\nwant %+v", cfg, want)
			}
		})
	}
}

// TestPathsBeginAtTheFile also if it is reached through a link from elsewhere.
func TestPathsBeginAtTheFile(t *testing.T) {
	path := write(t, "ramet.hcl", "kernel {\n  data = \"../app.db\"\n}\n")
	link := filepath.Join(t.TempDir(), "link.hcl")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	var direct, linked kernel.Config
	load(t, path).Apply(&direct)
	load(t, link).Apply(&linked)
	if direct.DataPath != linked.DataPath || !filepath.IsAbs(direct.DataPath) {
		t.Errorf("directly %s, through a link %s", direct.DataPath, linked.DataPath)
	}
}

func TestSampleIsInOrder(t *testing.T) {
	a := load(t, write(t, "ramet.hcl", string(assembly.Sample(bundled.All(), ""))))
	var cfg kernel.Config
	a.Apply(&cfg)
	if !cfg.Failover || len(cfg.Plugins) != len(bundled.All()) {
		t.Errorf("got %+v", cfg)
	}
	for _, p := range a.Parts() {
		if p.State != assembly.Linked || p.Version == "" || len(p.Stages) == 0 || p.Refused() {
			t.Errorf("got %+v", p)
		}
	}
}

// TestLoadedAssemblyRuns boots a kernel of it.
func TestLoadedAssemblyRuns(t *testing.T) {
	cfg := kernel.Config{Workdir: t.TempDir()}
	load(t, write(t, "ramet.hcl", all+"kernel {\n  data = \"app.db\"\n}\n")).Apply(&cfg)
	inst, err := kernel.Bootstrap(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	if _, err := inst.DB().Exec("CREATE TABLE t (a)"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.DataPath); err != nil {
		t.Error(err)
	}
}
