package systest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestPluginOutOfBudget: the instance leaves the race and gives up its lock, so that
// another is promoted, and says why; what does not need the plugin goes on.
func TestPluginOutOfBudget(t *testing.T) {
	for _, stage := range crashStages {
		t.Run(string(stage), func(t *testing.T) {
			sdktest.NoLeaks(t)
			dir := t.TempDir()
			a, b := bootMortal(t, dir, "a", restarts(kernel.Restart{Max: -1})), bootMortal(t, dir, "b", noFailover)
			mustExec(t, a.Instance, "CREATE TABLE t(x)")
			b.Watcher().SetEnabled(true)
			a.plugins[stage].Crash()
			awaitRole(t, b.Instance, sdk.Primary)
			leader(t, a, b)
			mustExec(t, b.Instance, "INSERT INTO t VALUES(1)")
			st := a.stage(t, stage)
			if st.Health != "failed" || st.Reason == "" || st.Restarts != 0 || a.plugins[stage].Opened() != 1 {
				t.Errorf("status of the stage: %+v, opened %d times", st, a.plugins[stage].Opened())
			}
			all, err := a.Status(within(t))
			if err != nil || !strings.Contains(strings.Join(all.Degraded, "\n"), st.Plugin) {
				t.Errorf("degraded: %q, %v", all.Degraded, err)
			}
			if stage == sdk.StageStore {
				if err := a.DB().QueryRowContext(within(t), "SELECT count(*) FROM t").Err(); !errors.Is(err, sdk.ErrUnavailable) {
					t.Errorf("a read without a store: %v, want ErrUnavailable", err)
				}
			} else if got := count(t, a.Instance, "SELECT count(*) FROM t"); got != 1 {
				t.Errorf("a reads %d rows, want 1", got)
			}
			if err := b.Close(); err != nil { // nobody is left who could serve
				t.Error(err)
			}
			if _, err := a.DB().ExecContext(within(t), "INSERT INTO t VALUES(2)"); !errors.Is(err, sdk.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a write that nobody can take: %v, want ErrUnavailable at once", err)
			}
			if a.Role() == sdk.Primary {
				t.Error("primary without a plugin")
			}
		})
	}
}

// TestBudgetComesBack: a plugin that cannot be opened for a while is tried again
// when its budget is back, and no sooner.
func TestBudgetComesBack(t *testing.T) {
	sdktest.NoLeaks(t)
	m := bootMortal(t, t.TempDir(), "a", noFailover, restarts(kernel.Restart{Max: 3, Per: 400 * time.Millisecond, Backoff: time.Millisecond}))
	mustExec(t, m.Instance, "CREATE TABLE t(x)")
	store := m.plugins[sdk.StageStore]
	store.RefuseOpen(fmt.Errorf("%w: no license", sdk.ErrInvalid))
	store.Crash()
	until(t, "a stage that is out of budget", func() bool {
		st := m.stage(t, sdk.StageStore)
		return strings.Contains(st.Reason, "no license") && strings.Contains(st.Reason, "3 times")
	})
	store.RefuseOpen(nil)
	until(t, "the store is back", func() bool { return m.stage(t, sdk.StageStore).Health == "ready" })
	mustExec(t, m.Instance, "INSERT INTO t VALUES(1)")
	if st := m.stage(t, sdk.StageStore); st.Restarts != 1 || st.Health != "ready" || st.Reason != "" {
		t.Errorf("status of the stage: %+v", st)
	}
	if st, err := m.Status(within(t)); err != nil || len(st.Degraded) > 0 {
		t.Errorf("degraded: %q, %v", st.Degraded, err)
	}
}

// TestRestartShows as one entry among the transitions, with plugin and reason.
func TestRestartShows(t *testing.T) {
	sdktest.NoLeaks(t)
	m := bootMortal(t, t.TempDir(), "a")
	before := m.stage(t, sdk.StageTransport)
	if before.Mode != kernel.ModeExternal || before.PID == 0 || before.Version == "" {
		t.Errorf("stage served by a process: %+v", before)
	}
	m.crash(t, sdk.StageTransport)
	st, err := m.Status(within(t))
	if err != nil {
		t.Fatal(err)
	}
	var entries []kernel.Transition
	for _, e := range st.Transitions {
		if e.Op == "restart" {
			entries = append(entries, e)
		}
	}
	if len(entries) != 1 || entries[0].Stage != "ports+transport" || !strings.Contains(entries[0].Err, before.Plugin) {
		t.Errorf("restarts among the transitions: %+v", entries)
	}
}

// TestWatcherCrash: the watcher's stage holds nothing, so nothing moves. It is served
// by a plugin of its own here.
func TestWatcherCrash(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	apart := func(c *kernel.Config) {
		var all []sdk.Plugin
		for _, p := range c.Plugins {
			for _, s := range p.Describe().Stages {
				all = append(all, only{p, s})
			}
		}
		c.Plugins = all
	}
	a, b := bootMortal(t, dir, "a", apart), bootMortal(t, dir, "b", apart)
	for _, m := range []*mortal{a, b} {
		before, err := m.Status(within(t))
		if err != nil {
			t.Fatal(err)
		}
		m.crash(t, sdk.StageWatcher)
		m.crash(t, sdk.StagePorts)
		after, err := m.Status(within(t))
		if err != nil || len(after.Transitions) != len(before.Transitions)+2 { // the two restarts
			t.Errorf("transitions of %s: %d before, %d after", m.ID(), len(before.Transitions), len(after.Transitions))
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	leader(t, b)
}

// only is a plugin reduced to one of its stages.
type only struct {
	sdk.Plugin
	stage sdk.Stage
}

func (o only) Describe() sdk.Info {
	i := o.Plugin.Describe()
	i.Name += "-" + string(o.stage)
	i.Stages = []sdk.Stage{o.stage}
	return i
}

// TestCrashDuringPromotion, before and after each call that a promotion makes: it
// goes on, here or when the plugin is back, and nothing is lost.
func TestCrashDuringPromotion(t *testing.T) {
	for _, at := range []struct {
		stage  sdk.Stage
		method string
	}{
		{sdk.StageLock, "Lock.Await"}, {sdk.StageLock, "Lock.Inspect"}, {sdk.StageLock, "Lease.Renew"}, {sdk.StageLock, "Lease.Announce"},
		{sdk.StageStore, "Store.Open"}, {sdk.StageStore, "DB.Status"}, {sdk.StageStore, "DB.Advance"},
		{sdk.StageTransport, "Transport.Serve"},
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(when+" "+at.method, func(t *testing.T) {
				sdktest.NoLeaks(t)
				dir := t.TempDir()
				a, b := bootMortal(t, dir, "a"), bootMortal(t, dir, "b")
				l := newTally(t, a.Instance)
				l.load(b.Instance)
				l.follow(b.Instance)
				l.progress(b)
				arm(b.plugins[at.stage], when, at.method)
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				l.progress(b)
				leader(t, b)
				l.check(b)
			})
		}
	}
}

// stillborn is a plugin that dies right after it was opened, the first few times.
type stillborn struct {
	*sdktest.Crasher
	mu    sync.Mutex // guards times
	times int
}

func (s *stillborn) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	r, err := s.Crasher.Open(ctx, env)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times--; s.times >= 0 {
		s.Crash()
	}
	return r, err
}

// TestBootstrapWithDyingPlugins: those that come to live are waited for, those that
// never do are an error that names them.
func TestBootstrapWithDyingPlugins(t *testing.T) {
	for n := range 3 {
		sdktest.NoLeaks(t)
		dir := t.TempDir()
		dying := func(times int) func(*kernel.Config) {
			return func(c *kernel.Config) {
				c.Plugins[n] = &stillborn{Crasher: sdktest.Crashable(c.Plugins[n]), times: times}
				c.Restarts = map[string]kernel.Restart{c.Plugins[n].Describe().Name: {Max: 4, Backoff: time.Millisecond}}
			}
		}
		name := plugins(t)[n].Describe().Name
		if _, err := try(t, dir, dying(1000)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s never lives: %v", name, err)
		}
		i := boot(t, dir, dying(3))
		awaitRole(t, i, sdk.Primary)
		mustExec(t, i, "CREATE TABLE t(x)")
		if err := i.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

// TestCrashDuringBootstrap, around each call that it makes.
func TestCrashDuringBootstrap(t *testing.T) {
	for _, method := range []string{"Ports.Candidates", "Store.ResourceKey", "Lock.Acquire", "Store.Open", "DB.Status",
		"Lock.Inspect", "DB.Advance", "Lease.Renew", "Transport.Serve", "Lease.Announce"} {
		for _, when := range []string{"before", "after"} {
			t.Run(when+" "+method, func(t *testing.T) {
				sdktest.NoLeaks(t)
				i := boot(t, t.TempDir(), func(c *kernel.Config) {
					for n, p := range c.Plugins {
						killable := sdktest.Crashable(p)
						arm(killable, when, method)
						c.Plugins[n] = killable
					}
				})
				mustExec(t, i, "CREATE TABLE t(x)")
				awaitRole(t, i, sdk.Primary)
				if err := i.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestCrashDuringClose: Close succeeds, and the next instance gets everything.
func TestCrashDuringClose(t *testing.T) {
	sdktest.NoLeaks(t)
	random := rand.New(rand.NewPCG(1, 2)) // what matters is where the scheduler puts the crash
	dir := t.TempDir()
	for round := range 24 {
		stage := crashStages[round%len(crashStages)]
		a := bootMortal(t, dir, fmt.Sprint("a", round))
		victim := a
		if round%2 == 1 {
			victim = bootMortal(t, dir, fmt.Sprint("b", round))
		}
		awaitRole(t, a.Instance, sdk.Primary)
		var crash sync.WaitGroup
		crash.Go(func() {
			time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
			victim.plugins[stage].Crash()
		})
		if err := victim.Close(); err != nil {
			t.Errorf("round %d, %s of the %s: %v", round, stage, victim.ID(), err)
		}
		crash.Wait()
		if err := a.Close(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
	if i := boot(t, dir); i.Role() != sdk.Primary {
		t.Errorf("role %q", i.Role())
	}
}

// TestCloseDuringRestart: in the pause before it, and while the plugin is being
// opened.
func TestCloseDuringRestart(t *testing.T) {
	for _, stage := range crashStages {
		sdktest.NoLeaks(t)
		dir := t.TempDir()
		for _, slow := range []bool{false, true} {
			var gate *slowOpen
			a := bootMortal(t, dir, "a", restarts(kernel.Restart{Backoff: time.Hour}), func(c *kernel.Config) {
				for n, p := range c.Plugins {
					if slow && p.Describe().Serves(stage) {
						gate = &slowOpen{Plugin: p, entered: make(chan struct{})}
						c.Plugins[n] = gate
					}
				}
			})
			if !slow {
				a.plugins[stage].RefuseOpen(sdk.ErrUnavailable)
			}
			a.plugins[stage].Crash()
			if slow {
				<-gate.entered
			} else {
				until(t, "a second attempt is waited for", func() bool { return a.plugins[stage].Opened() == 2 })
			}
			var closing sync.WaitGroup
			for range 4 {
				closing.Go(func() {
					if err := a.Close(); err != nil {
						t.Errorf("%s: close: %v", stage, err)
					}
				})
			}
			closing.Wait()
			i := boot(t, dir)
			if i.Role() != sdk.Primary {
				t.Errorf("%s: role %q of the next instance", stage, i.Role())
			}
			if err := i.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// slowOpen is a plugin whose second Open lasts until its context ends.
type slowOpen struct {
	sdk.Plugin
	mu      sync.Mutex // guards times
	times   int
	entered chan struct{} // closed by the second Open
}

func (s *slowOpen) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	s.mu.Lock()
	s.times++
	second := s.times == 2
	s.mu.Unlock()
	if !second {
		return s.Plugin.Open(ctx, env)
	}
	close(s.entered)
	<-ctx.Done()
	return nil, ctx.Err()
}
