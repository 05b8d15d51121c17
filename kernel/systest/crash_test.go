package systest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// mortal is an instance whose plugins can be killed.
type mortal struct {
	*kernel.Instance
	plugins map[sdk.Stage]*sdktest.Crasher
}

// bootMortal boots an instance in dir with plugins that can be killed.
func bootMortal(t *testing.T, dir, name string, change ...func(*kernel.Config)) *mortal {
	t.Helper()
	m := &mortal{plugins: map[sdk.Stage]*sdktest.Crasher{}}
	killable := func(c *kernel.Config) {
		if c.Restarts == nil {
			restarts(kernel.Restart{Max: 100})(c)
		}
		for n, p := range c.Plugins {
			crasher := sdktest.Crashable(p)
			c.Plugins[n] = crasher
			for _, s := range p.Describe().Stages {
				m.plugins[s] = crasher
			}
		}
	}
	m.Instance = boot(t, dir, append(append([]func(*kernel.Config){named(name)}, change...), killable)...)
	return m
}

// restarts gives every plugin the same budget.
func restarts(r kernel.Restart) func(*kernel.Config) {
	return func(c *kernel.Config) {
		c.Restarts = map[string]kernel.Restart{}
		for _, p := range c.Plugins {
			c.Restarts[p.Describe().Name] = r
		}
	}
}

// crash kills the plugin of a stage and waits until it was opened again.
func (m *mortal) crash(t *testing.T, s sdk.Stage) {
	t.Helper()
	before := m.stage(t, s).Restarts
	m.plugins[s].Crash()
	until(t, fmt.Sprintf("%s of %s is up again", s, m.ID()), func() bool {
		st := m.stage(t, s)
		return st.Restarts == before+1 && st.Health == sdk.Ready.String()
	})
}

func (m *mortal) stage(t *testing.T, s sdk.Stage) kernel.StageStatus {
	t.Helper()
	st, err := m.Status(within(t))
	if err != nil {
		t.Fatalf("status of %s: %v", m.ID(), err)
	}
	for _, have := range st.Stages {
		if have.Stage == s {
			return have
		}
	}
	t.Fatalf("no stage %s in the status of %s", s, m.ID())
	return kernel.StageStatus{}
}

// tally checks what instances in this process wrote against what was acknowledged.
type tally struct {
	t        *testing.T
	end      context.CancelFunc
	life     context.Context // of the writers
	watching context.Context // of the feeds
	writers  sync.WaitGroup
	feeds    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	acked  map[string]int
	faults []string
	fed    map[string][]sdk.Change
}

func newTally(t *testing.T, i *kernel.Instance) *tally {
	t.Helper()
	mustExec(t, i, "CREATE TABLE entries(id INTEGER PRIMARY KEY, key TEXT)") // not unique: a double must show
	l := &tally{t: t, acked: map[string]int{}, fed: map[string][]sdk.Change{}}
	l.life, l.end = context.WithCancel(context.Background())
	var stop context.CancelFunc
	l.watching, stop = context.WithCancel(context.Background())
	t.Cleanup(func() { l.end(); stop(); l.writers.Wait(); l.feeds.Wait() })
	return l
}

// load writes through i, as fast as it goes, until settle.
func (l *tally) load(i *kernel.Instance) {
	l.writers.Go(func() {
		for n := 0; l.life.Err() == nil; n++ {
			// Without the life: a write under way is finished, so that its outcome is known.
			_, err := i.DB().Exec("INSERT INTO entries(key) VALUES(?)", fmt.Sprintf("%s/%d", i.ID(), n))
			l.mu.Lock()
			if err == nil {
				l.acked[i.ID()]++
			} else {
				l.faults = append(l.faults, fmt.Sprintf("%s/%d: %v", i.ID(), n, err))
			}
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
}

// follow collects the change feed of i until check has seen enough.
func (l *tally) follow(i *kernel.Instance) {
	l.t.Helper()
	feed, err := i.Changes(within(l.t), sdk.Position{})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx := l.watching
	l.feeds.Go(func() {
		defer feed.Close()
		for {
			c, err := feed.Next(ctx)
			if ctx.Err() != nil {
				return
			}
			l.mu.Lock()
			if err != nil {
				l.faults = append(l.faults, fmt.Sprintf("feed of %s: %v", i.ID(), err))
				l.mu.Unlock()
				return
			}
			l.fed[i.ID()] = append(l.fed[i.ID()], c)
			l.mu.Unlock()
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fed[i.ID()] = nil
}

// total returns how many writes were acknowledged; l.mu is held.
func (l *tally) total() (n int) {
	for _, more := range l.acked {
		n += more
	}
	return n
}

// progress waits until each of them has had some more writes acknowledged.
func (l *tally) progress(all ...*mortal) {
	l.t.Helper()
	for _, m := range all {
		from := l.count(m.ID())
		until(l.t, m.ID()+" goes on writing", func() bool {
			if faults := l.failed(); len(faults) > 0 {
				l.t.Fatal(strings.Join(faults, "\n"))
			}
			return l.count(m.ID()) >= from+3
		})
	}
}

func (l *tally) count(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[id]
}

func (l *tally) failed() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.faults...)
}

// check ends the load and compares what each of them reads, and what the feeds
// gave, with every acknowledgement.
func (l *tally) check(all ...*mortal) {
	l.t.Helper()
	l.end()
	l.writers.Wait() // each write is bounded
	until(l.t, "the feeds have everything", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, changes := range l.fed {
			if len(changes) < l.total() {
				return false
			}
		}
		return true
	})
	if faults := l.failed(); len(faults) > 0 {
		l.t.Error(strings.Join(faults, "\n"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range all {
		if got := count(l.t, m.Instance, "SELECT count(*) FROM entries"); got != l.total() {
			l.t.Errorf("%s reads %d rows, %d writes were acknowledged", m.ID(), got, l.total())
		}
		if got := count(l.t, m.Instance, "SELECT count(DISTINCT key) FROM entries"); got != l.total() {
			l.t.Errorf("%s reads %d keys, %d writes were acknowledged", m.ID(), got, l.total())
		}
	}
	for id, changes := range l.fed {
		var last uint64
		for _, c := range changes {
			if c.Op != sdk.OpInsert || c.Position.Row <= last {
				l.t.Errorf("feed of %s: %+v after position %d", id, c, last)
			}
			last = c.Position.Row
		}
		if len(changes) != l.total() {
			l.t.Errorf("feed of %s has %d changes, %d writes were acknowledged", id, len(changes), l.total())
		}
	}
}

func instances(all []*mortal) (out []*kernel.Instance) {
	for _, m := range all {
		out = append(out, m.Instance)
	}
	return out
}

// leader waits for exactly one primary.
func leader(t *testing.T, all ...*mortal) *mortal {
	t.Helper()
	var primary *mortal
	until(t, "one primary, all others secondary", func() bool {
		primary = nil
		for _, m := range all {
			switch m.Role() {
			case sdk.Primary:
				if primary != nil || m.Confirm(within(t)) != nil {
					return false
				}
				primary = m
			case sdk.Secondary:
			default:
				return false
			}
		}
		return primary != nil
	})
	return primary
}

var crashStages = []sdk.Stage{sdk.StageTransport, sdk.StageLock, sdk.StageStore}

// TestPluginCrashes: one plugin after the other dies, on the primary and on a
// secondary, while all instances write. Nobody sees an error, nothing is lost or
// doubled, and the epoch changes only where the primary lost what it wrote with.
func TestPluginCrashes(t *testing.T) {
	for _, stage := range crashStages {
		for _, role := range []sdk.Role{sdk.Primary, sdk.Secondary} {
			t.Run(fmt.Sprintf("%s of the %s", stage, role), func(t *testing.T) {
				sdktest.NoLeaks(t)
				dir := t.TempDir()
				all := []*mortal{bootMortal(t, dir, "a"), bootMortal(t, dir, "b"), bootMortal(t, dir, "c")}
				l := newTally(t, all[0].Instance)
				for _, m := range all {
					l.load(m.Instance)
					l.follow(m.Instance)
				}
				l.progress(all...)
				for range 3 {
					epoch := leader(t, all...).Lease().Epoch
					victim := leader(t, all...)
					if role == sdk.Secondary {
						_, others := onePrimary(t, instances(all)...)
						for _, m := range all {
							if m.Instance == others[0] {
								victim = m
							}
						}
					}
					victim.crash(t, stage)
					l.progress(all...)
					now := leader(t, all...).Lease().Epoch
					if kept := role == sdk.Secondary || stage == sdk.StageTransport; kept != (now == epoch) {
						t.Errorf("epoch %d before, %d after", epoch, now)
					}
				}
				l.check(all...)
			})
		}
	}
}

// TestPluginCrashesAlone: there is nobody to take over, and failover is off, as it
// is by default.
func TestPluginCrashesAlone(t *testing.T) {
	for _, stage := range crashStages {
		t.Run(string(stage), func(t *testing.T) {
			sdktest.NoLeaks(t)
			m := bootMortal(t, t.TempDir(), "a", noFailover)
			l := newTally(t, m.Instance)
			l.load(m.Instance)
			l.follow(m.Instance)
			for range 3 {
				l.progress(m)
				m.crash(t, stage)
			}
			l.progress(m)
			leader(t, m)
			l.check(m)
		})
	}
}

// TestCrashAroundEachWrite: whether the store dies before or after it applied a
// write, the caller gets its answer, and the write is there once.
func TestCrashAroundEachWrite(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := bootMortal(t, dir, "a"), bootMortal(t, dir, "b", noFailover)
	mustExec(t, a.Instance, "CREATE TABLE t(x TEXT)")
	for _, who := range []*mortal{a, b} {
		for _, when := range []string{"before", "after"} {
			key := who.ID() + " " + when
			leader(t, a, b)
			arm(a.plugins[sdk.StageStore], when, "DB.Apply")
			mustExec(t, who.Instance, "INSERT INTO t VALUES(?)", key)
			if got := count(t, who.Instance, fmt.Sprintf("SELECT count(*) FROM t WHERE x = '%s'", key)); got != 1 {
				t.Errorf("%s: %d rows", key, got)
			}
		}
	}
	if st := a.stage(t, sdk.StageStore); st.Restarts != 4 {
		t.Errorf("store: %+v, want 4 restarts", st)
	}
}

func arm(c *sdktest.Crasher, when, method string) {
	if when == "before" {
		c.CrashBefore(method)
	} else {
		c.CrashAfter(method)
	}
}

// TestCrashAroundEachCommit: likewise for interactive transactions, which are not
// repeated: one that was not applied is lost, and says so.
func TestCrashAroundEachCommit(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := bootMortal(t, dir, "a"), bootMortal(t, dir, "b", noFailover)
	mustExec(t, a.Instance, "CREATE TABLE t(x TEXT)")
	for _, who := range []*mortal{a, b} {
		for _, method := range []string{"Tx.Exec", "Tx.Commit"} {
			for _, when := range []string{"before", "after"} {
				key := fmt.Sprint(who.ID(), " ", when, " ", method)
				leader(t, a, b)
				tx, err := who.DB().BeginTx(within(t), nil)
				if err != nil {
					t.Fatal(err)
				}
				arm(a.plugins[sdk.StageStore], when, method)
				_, err = tx.Exec("INSERT INTO t VALUES(?)", key)
				if method == "Tx.Commit" && err != nil {
					t.Fatalf("%s: %v", key, err)
				}
				if err == nil {
					err = tx.Commit()
				} else {
					tx.Rollback()
				}
				want := 0
				if method == "Tx.Commit" && when == "after" {
					want = 1
				}
				if (err == nil) != (want == 1) || err != nil && !errors.Is(err, sdk.ErrTxLost) {
					t.Errorf("%s: %v; want success or ErrTxLost", key, err)
				}
				until(t, key+" is there or not", func() bool {
					return count(t, who.Instance, fmt.Sprintf("SELECT count(*) FROM t WHERE x = '%s'", key)) == want
				})
				mustExec(t, who.Instance, "INSERT INTO t VALUES('the writer is free')")
			}
		}
	}
}
