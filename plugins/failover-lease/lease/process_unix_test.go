//go:build unix

package lease

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestKilledHolderHandsOverToAwait(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, linked := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "state")
		c := start(t, "hold", dir, "won")
		k := open(t, dir).Lock()
		cl := claim("b")
		cl.Linked = linked
		type result struct {
			l   sdk.Lease
			err error
		}
		won := make(chan result, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			l, err := k.Await(within(t), cl)
			won <- result{l, err}
		})
		h, err := k.Inspect(within(t))
		if err != nil || !h.Held || h.Record.PID != c.cmd.Process.Pid {
			t.Fatalf("inspect %+v, %v; want held by the child", h, err)
		}
		c.signal(syscall.SIGKILL) // not reaped: a zombie must count as dead
		r := <-won
		wg.Wait()
		if r.err != nil || r.l.Terms().Takeover || r.l.Terms().Epoch != 1 {
			t.Fatalf("linked %v: await gave %+v", linked, r)
		}
		eventually(t, "the killed process is known to be dead", func() bool {
			alive, err := k.Alive(within(t), h.Record)
			return err == nil && alive == sdk.Dead
		})
	}
}

func TestSixteenProcessesRaceOneWins(t *testing.T) {
	for range 3 {
		dir := filepath.Join(t.TempDir(), "state")
		var children []*child
		for range 16 {
			children = append(children, start(t, "race", dir, "ready"))
		}
		for _, c := range children {
			_, _ = c.in.Write([]byte("go\n"))
		}
		won := 0
		for _, c := range children {
			switch word := c.line(); word {
			case "won":
				won++
			case "lost":
			default:
				t.Errorf("child said %q", word)
			}
		}
		for _, c := range children {
			c.kill()
		}
		if won != 1 {
			t.Fatalf("%d winners, want 1", won)
		}
	}
}

func TestStoppedHolderKeepsLockAndFallsSilent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c := start(t, "hold", dir, "won")
	k := open(t, dir).Lock()
	inspect := func() sdk.Holding {
		h, err := k.Inspect(within(t))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := inspect().Beat
	eventually(t, "a beat", func() bool { return inspect().Beat > first })
	c.stop(t)
	last := inspect().Beat
	eventually(t, "silence", func() bool { // 20 readings in a row, as a standby counts
		for range 20 {
			if b := inspect().Beat; b != last {
				last = b
				return false
			}
		}
		return true
	})
	h := inspect()
	if alive, err := k.Alive(within(t), h.Record); err != nil || alive != sdk.Alive || !h.Held {
		t.Fatalf("stopped: liveness %d, %v, %+v; want alive and held", alive, err, h)
	}
	if _, err := k.Acquire(within(t), claim("b")); !errors.Is(err, sdk.ErrHeld) {
		t.Fatalf("acquire: %v, want held", err)
	}
	cl := claim("b")
	cl.Takeover, cl.Displaces = true, h.Record
	l, err := k.Acquire(within(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	mustAnnounce(t, l, cl, h.Record.Epoch+1)
	c.signal(syscall.SIGCONT)
	if got := c.line(); got != "fenced" {
		t.Fatalf("the resumed one said %q, want fenced", got)
	}
	if h := inspect(); h.Record.Instance != "b" {
		t.Fatalf("the resumed one changed the record: %+v", h)
	}
	c.kill()
	if err := l.Renew(within(t)); err != nil || l.Terms().Takeover {
		t.Fatalf("renew %v, terms %+v; want the freed lock", err, l.Terms())
	}
}

func TestKilledTakerIsTakenOver(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "state")
	stopped := start(t, "hold", dir, "won")
	stopped.stop(t)
	taker := start(t, "takeover", dir, "won")
	k := open(t, dir).Lock()
	cl := claim("c")
	cl.Linked = true
	won := make(chan sdk.Lease, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		l, err := k.Await(within(t), cl)
		if err != nil {
			t.Error(err)
		}
		won <- l
	})
	taker.signal(syscall.SIGKILL)
	l := <-won
	wg.Wait()
	if l == nil || !l.Terms().Takeover || l.Terms().Epoch != 2 {
		t.Fatalf("await gave %+v, want a takeover of epoch 2", l)
	}
	mustAnnounce(t, l, cl, 3)
	stopped.kill()
	if err := l.Renew(within(t)); err != nil || l.Terms().Takeover {
		t.Fatalf("renew %v, terms %+v", err, l.Terms())
	}
}

func TestNextInLineActsAloneWhenTheTakerDies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	stopped := start(t, "hold", dir, "won")
	stopped.stop(t)
	taker := start(t, "takeover", dir, "won")
	taker.stop(t) // so that it does not take the lock itself
	stopped.kill()
	next, other := open(t, dir).Lock(), open(t, dir).Lock()
	l := mustAcquire(t, next, claim("next"))
	h, err := other.Inspect(within(t))
	if err != nil || h.Record.PID != taker.cmd.Process.Pid {
		t.Fatalf("inspect %+v, %v; want the taker, who serves", h, err)
	}
	if err := l.Renew(within(t)); err != nil {
		t.Fatal(err)
	}
	if after, err := other.Inspect(within(t)); err != nil || after.Beat != h.Beat {
		t.Fatalf("the next in line beat for the taker: %d to %d, %v", h.Beat, after.Beat, err)
	}
	taker.kill()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if l, err := other.Await(ctx, claim("other")); err == nil {
		t.Fatalf("a third got %+v beside the next in line", l.Terms())
	}
	if h, err := other.Inspect(within(t)); err != nil || h.Record.Instance != "next" {
		t.Fatalf("inspect %+v, %v; want the next in line", h, err)
	}
}

func TestGarbageCollectionDoesNotDropTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	r := open(t, dir)
	_ = mustAcquire(t, r.Lock(), claim("a")) // the lease itself is not kept
	other := open(t, dir).Lock()
	for range 50 {
		runtime.GC()
		if _, err := other.Acquire(within(t), claim("b")); !errors.Is(err, sdk.ErrHeld) {
			t.Fatalf("after a collection: %v, want held", err)
		}
	}
	runtime.KeepAlive(r)
}

// TestFlockUnlinkRace is the fault that made two owners: contenders come and go,
// and each counts itself in while it holds the lock.
func TestFlockUnlinkRace(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "state")
	var inside, most, wins int
	var mu sync.Mutex
	count := func(d int) {
		mu.Lock()
		defer mu.Unlock()
		inside += d
		most = max(most, inside)
		wins += max(d, 0)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		k := open(t, dir).Lock()
		wg.Go(func() {
			c := claim(string(rune('a' + i)))
			for range 40 {
				l, err := k.Await(within(t), c)
				if err != nil {
					t.Error(err)
					return
				}
				count(1)
				runtime.Gosched()
				count(-1)
				if err := l.Release(within(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most != 1 || wins != 8*40 {
		t.Fatalf("%d owners at once, %d wins; want 1 and %d", most, wins, 8*40)
	}
}

func TestCancelledAwaitNeverAcquires(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "state")
	a, b := open(t, dir).Lock(), open(t, dir).Lock()
	for i := range 1000 {
		l := mustAcquire(t, a, claim("a"))
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := b.Await(ctx, claim("b")); err == nil {
				_ = got.Release(context.Background())
			}
		})
		wg.Go(func() { _ = l.Release(context.Background()) })
		if i%3 == 0 {
			runtime.Gosched()
		}
		cancel()
		wg.Wait()
		if err := mustAcquire(t, a, claim("a")).Release(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkKillToAwait(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "state")
	k := open(b, dir).Lock()
	cl := claim("b")
	cl.Linked = true
	benchmarkKill(b, "hold", dir, func() func() {
		l, err := k.Await(within(b), cl)
		if err != nil {
			b.Error(err)
			return func() {}
		}
		return func() { _ = l.Release(within(b)) }
	})
}

// BenchmarkKillToBlockingFlock is the floor: nothing that uses flock is faster.
func BenchmarkKillToBlockingFlock(b *testing.B) {
	dir := b.TempDir()
	benchmarkKill(b, "flock", dir, func() func() {
		f, err := openLock(filepath.Join(dir, "lock"), true, false)
		if err != nil {
			b.Error(err)
			return func() {}
		}
		if err := retryEINTR(func() error { return syscall.Flock(f.fd, syscall.LOCK_EX) }); err != nil {
			b.Error(err)
		}
		return func() { _ = f.close() }
	})
}

// benchmarkKill measures from SIGKILL to the return of wait, which was called
// well before.
func benchmarkKill(b *testing.B, task, dir string, wait func() func()) {
	for b.Loop() {
		b.StopTimer()
		c := start(b, task, dir, "won")
		done := make(chan func(), 1)
		var wg sync.WaitGroup
		wg.Go(func() { done <- wait() })
		settle := time.NewTimer(80 * time.Millisecond) // until the first burst of tries is over
		<-settle.C
		b.StartTimer()
		c.signal(syscall.SIGKILL)
		release := <-done
		b.StopTimer()
		release()
		wg.Wait()
		c.kill()
		b.StartTimer()
	}
}
