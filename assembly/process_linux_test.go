package assembly_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// children returns the processes that this one started and that still run.
func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // the thread ended
		}
		for _, word := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestNoProgramIsLeft by Load and Close, by a kernel, or by a Load that failed
// after it had started some.
func TestNoProgramIsLeft(t *testing.T) {
	sdktest.NoLeaks(t)
	in := install(t)
	in.write(t, external())
	in.lock(t)
	before := len(children(t))
	count := func(when string, want int) {
		t.Helper()
		if got := len(children(t)) - before; got != want {
			t.Errorf("%s: %d programs run, want %d", when, got, want)
		}
	}
	a := load(t, in.file)
	count("loaded", 3)
	cfg := kernel.Config{Workdir: t.TempDir()}
	a.Apply(&cfg)
	inst, err := kernel.Bootstrap(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	count("with a kernel", 3)
	if err := errors.Join(inst.Close(), a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	count("closed, twice", 0)

	if err := errors.Join(load(t, in.file).Close()); err != nil {
		t.Error(err)
	}
	count("closed without a kernel", 0)

	in.write(t, external()+"kernel {\n  ttl = \"1ms\"\n}\n")
	compare(t, faultsOf(t, in.file), []want{{17, "use 300ms or more"}})
	count("not loaded", 0)
}

// TestPipesDoNotBlock: opening one waits for a writer that never comes.
func TestPipesDoNotBlock(t *testing.T) {
	in := install(t)
	if err := syscall.Mkfifo(in.path("pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	compare(t, faultsOf(t, in.path("pipe")), []want{{0, "not a regular file"}})
	in.write(t, strings.Replace(external(), "prog", "pipe", 1))
	compare(t, faultsOf(t, in.file), []want{{2, "not a regular file"}, {7, "not in the lock file"}, {12, "not in the lock file"}})
	if parts, _ := assembly.List(in.file, bundled.All()); parts[0].State != assembly.Unusable {
		t.Errorf("got %+v", parts[0])
	}
	if _, err := remote.Launch(context.Background(), remote.Program{Path: in.path("pipe")}); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	in.write(t, external())
	if err := syscall.Mkfifo(in.path("ramet.lock.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	compare(t, faultsOf(t, in.file), []want{{0, "the file cannot be read"}})
}
