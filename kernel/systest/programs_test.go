//go:build unix

package systest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// programs makes a node's plugins programs, in every mode.
func programs(o *bootOptions) { o.External = true }

// stages returns what a node says of its stages.
func (n *node) stages() map[sdk.Stage]kernel.StageStatus {
	n.t.Helper()
	all := map[sdk.Stage]kernel.StageStatus{}
	for _, s := range n.must(order{Op: "status"}).Status.Stages {
		all[s.Stage] = s
	}
	return all
}

// harm sends a signal to the program that serves a stage of n.
func (n *node) harm(s sdk.Stage, with syscall.Signal) {
	n.t.Helper()
	st := n.stages()[s]
	if st.Mode != kernel.ModeExternal || st.PID <= 0 || st.PID == n.cmd.Process.Pid {
		n.t.Fatalf("%s: %s is served by %+v, want a program", n.name, s, st)
	}
	if err := syscall.Kill(st.PID, with); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have died by itself
		n.t.Fatalf("%s: signal %v to the program of %s: %v", n.name, with, s, err)
	}
}

// healed waits until every stage of n is served again.
func (n *node) healed() {
	n.t.Helper()
	eventually(n.t, "all stages of "+n.name+" are ready", func() bool {
		for _, st := range n.stages() {
			if st.Health != sdk.Ready.String() {
				return false
			}
		}
		return true
	})
}

// TestPluginProgramsKilledAndStopped, one after the other, on the primary and on
// secondaries, while all write and all follow the feed: no write fails, nothing is
// lost or doubled, and in the end there is one primary.
func TestPluginProgramsKilledAndStopped(t *testing.T) {
	sdktest.NoLeaks(t)
	random := seeded(t)
	dir := t.TempDir()
	nodes := []*node{join(t, dir, "a", programs), join(t, dir, "b", programs), join(t, dir, "c", programs)}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		n.must(order{Op: "follow", Name: "feed"})
		l.load(n)
	}
	rounds := 30
	if testing.Short() {
		rounds = 9
	}
	for round := range rounds {
		l.progress(nodes...)
		victim := primaryOf(t, nodes...)
		if round%2 == 1 {
			victim = nodes[random.IntN(len(nodes))]
		}
		with := syscall.SIGKILL
		if random.IntN(4) == 0 {
			with = syscall.SIGSTOP
		}
		stage := crashStages[round%len(crashStages)]
		t.Logf("%v to the %s of %s", with, stage, victim.name)
		l.await(victim, random.IntN(10))
		victim.harm(stage, with)
	}
	l.progress(nodes...)
	for _, n := range nodes {
		n.healed()
	}
	primaryOf(t, nodes...)
	l.progress(nodes...)
	l.settle(nodes...)
	for _, n := range nodes {
		l.check(n)
		l.checkFeed(n, "feed")
	}
}

// TestPluginAndKernelKilledTogether: whatever is left over when its store is stopped
// and its kernel is killed cannot write any more, also when it goes on.
func TestPluginAndKernelKilledTogether(t *testing.T) {
	sdktest.NoLeaks(t)
	random := seeded(t)
	dir := t.TempDir()
	nodes := []*node{join(t, dir, "a", programs), join(t, dir, "b", programs), join(t, dir, "c", programs)}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		l.load(n)
	}
	for len(nodes) > 1 {
		l.progress(nodes...)
		victim := primaryOf(t, nodes...)
		left := victim.stages()
		l.await(victim, random.IntN(10))
		for _, s := range crashStages {
			victim.harm(s, syscall.SIGSTOP)
		}
		victim.kill()
		var others []*node
		for _, n := range nodes {
			if n != victim {
				others = append(others, n)
			}
		}
		nodes = others
		primaryOf(t, nodes...)
		l.progress(nodes...)
		for _, st := range left {
			_ = syscall.Kill(st.PID, syscall.SIGCONT) // it is gone, most likely
		}
		l.progress(nodes...)
		goneSoon(t, left)
	}
	l.settle(nodes...)
	l.check(nodes[0])
	if got := epochOf(t, nodes[0]); got != 3 {
		t.Errorf("epoch %d after two losses, want 3", got)
	}
}

// goneSoon waits until none of the programs runs. One that nobody reaps has ended
// all the same.
func goneSoon(t *testing.T, programs map[sdk.Stage]kernel.StageStatus) {
	t.Helper()
	for s, st := range programs {
		eventually(t, fmt.Sprintf("the program of %s (pid %d) is gone", s, st.PID), func() bool { return !runs(st.PID) })
	}
}

// TestNothingIsLeftOfAKilledKernel: no program, no lock, nobody who answers, no file
// in the temporary directory.
func TestNothingIsLeftOfAKilledKernel(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, role := range []sdk.Role{sdk.Primary, sdk.Secondary} {
		t.Run(string(role), func(t *testing.T) {
			dir, temp := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", temp)
			sockets := t.TempDir() // of the workspace
			if err := os.Chmod(sockets, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_RUNTIME_DIR", sockets)
			alone := func(o *bootOptions) { o.NoFailover = true }
			victim := join(t, dir, "a", programs, alone)
			other := victim
			if role == sdk.Secondary {
				other, victim = victim, join(t, dir, "b", programs, alone)
			}
			victim.exec("CREATE TABLE t(x)")
			if got := victim.role(); got != role {
				t.Fatalf("role %q, want %q", got, role)
			}
			left := victim.stages()
			endpoints := other.must(order{Op: "status"}).Status.Endpoints
			victim.kill()
			goneSoon(t, left)
			if role == sdk.Primary {
				for _, e := range endpoints {
					path := strings.TrimPrefix(string(e), "unix://")
					if c, err := net.Dial("unix", path); err == nil {
						c.Close()
						t.Errorf("somebody answers at %s", e)
					}
				}
			} else {
				other.exec("INSERT INTO t VALUES(1)")
				other.kill()
			}
			next := join(t, dir, "next", programs)
			if got := next.role(); got != sdk.Primary {
				t.Errorf("role %q of the next instance, want primary", got)
			}
			next.must(order{Op: "close"})
			files, err := os.ReadDir(temp)
			if err != nil || len(files) > 0 {
				t.Errorf("left in the temporary directory: %v, %v", files, err)
			}
		})
	}
}
