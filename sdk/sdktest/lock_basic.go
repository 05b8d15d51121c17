package sdktest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func lockUnused(t *testing.T, p sdk.Plugin) {
	h := lockInspect(t, lockOpen(t, p, t.TempDir()).Lock())
	if h.Held || h.Beat != 0 || h.Record.Incarnation != "" {
		t.Errorf("holding %+v of an unused workspace, want zero", h)
	}
}

func lockLifecycle(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	a, b := lockOpen(t, p, dir).Lock(), lockOpen(t, p, dir).Lock()
	l := lockMust(t, a, 1)
	terms := l.Terms()
	if terms.Epoch != 0 || terms.Takeover || terms.TTL < terms.MinTTL || terms.MinTTL <= 0 {
		t.Errorf("terms %+v of the first lease", terms)
	}
	want := lockAnnounce(t, l, 1, 7)
	h := lockInspect(t, b)
	got := h.Record
	if !h.Held || got.Instance != want.Instance || got.Incarnation != want.Incarnation || got.Epoch != 7 ||
		got.Lineage != want.Lineage || got.Workspace != want.Workspace || got.Version != want.Version ||
		got.SinceUnix != want.SinceUnix || got.Left || got.Takeover || !slices.Equal(got.Endpoints, want.Endpoints) {
		t.Errorf("inspect %+v, want held by %+v", h, want)
	}
	if terms.StartTime != got.StartTime {
		t.Errorf("start time %d in the terms, %d in the record", terms.StartTime, got.StartTime)
	}
	if err := l.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	if h := lockInspect(t, b); h.Held || !h.Record.Left || h.Record.Epoch != 7 {
		t.Errorf("inspect after release %+v, want not held and left", h)
	}
	if terms := lockMust(t, b, 2).Terms(); terms.Epoch != 7 || terms.Lineage != "lineage" || terms.Takeover {
		t.Errorf("terms %+v of the second lease, want epoch and lineage of the record", terms)
	}
}

// lockChanged has a reader hear of each record once, also of one that came before it
// asked.
func lockChanged(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	holder := lockOpen(t, p, dir).Lock()
	running := lockOpen(t, p, dir)
	reader := running.Lock()
	heard := make(chan sdk.Record)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(heard)
		var seen sdk.Record
		for seen.Epoch < 4 || !seen.Left {
			h, err := reader.Changed(lockContext(t), seen)
			if err != nil {
				t.Errorf("changed after %+v: %v", seen, err)
				return
			}
			seen = h.Announced
			heard <- seen
		}
	})
	hear := func(epoch uint64, left bool) {
		t.Helper()
		if r := <-heard; r.Epoch != epoch || r.Left != left {
			t.Errorf("heard of %+v, want epoch %d, left %v", r, epoch, left)
		}
	}
	l := lockMust(t, holder, 1)
	lockAnnounce(t, l, 1, 3)
	hear(3, false)
	lockAnnounce(t, l, 1, 4)
	hear(4, false)
	if err := l.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	hear(4, true)
	wg.Wait()
	seen := lockInspect(t, reader).Announced
	ctx, cancel := context.WithCancel(lockContext(t))
	wg.Go(func() {
		if _, err := reader.Changed(ctx, seen); !errors.Is(err, context.Canceled) {
			t.Errorf("changed, cancelled: %v", err)
		}
	})
	cancel()
	wg.Wait()
	wg.Go(func() {
		if _, err := reader.Changed(lockContext(t), seen); !errors.Is(err, sdk.ErrClosed) {
			t.Errorf("changed, closed: %v", err)
		}
	})
	if err := running.Close(lockContext(t)); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func lockHeld(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	a, b := lockOpen(t, p, dir).Lock(), lockOpen(t, p, dir).Lock()
	l := lockMust(t, a, 1)
	_, err := b.Acquire(lockContext(t), lockClaim(2))
	if h := lockWantHeld(t, err); h.Incarnation != "" && h.Incarnation != lockClaim(1).Record.Incarnation {
		t.Errorf("held by %+v, which never held it", h)
	}
	lockAnnounce(t, l, 1, 3)
	_, err = b.Acquire(lockContext(t), lockClaim(2))
	if h := lockWantHeld(t, err); h.Instance != "instance-1" || h.Epoch != 3 || len(h.Endpoints) != 2 {
		t.Errorf("held by %+v, want the announced record", h)
	}
	_, err = a.Acquire(lockContext(t), lockClaim(1))
	lockWantHeld(t, err) // not even by the one that holds it
}

func lockRace(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	for range 20 {
		const n = 8
		leases := make([]sdk.Lease, n)
		var wg sync.WaitGroup
		for i := range n {
			k := lockOpen(t, p, dir).Lock()
			wg.Go(func() {
				l, err := k.Acquire(lockContext(t), lockClaim(i+1))
				if err == nil {
					leases[i] = l
				} else if !errors.Is(err, sdk.ErrHeld) {
					t.Errorf("acquire: %v", err)
				}
			})
		}
		wg.Wait()
		var winners []sdk.Lease
		for _, l := range leases {
			if l != nil {
				winners = append(winners, l)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%d winners, want 1", len(winners))
		}
		if err := winners[0].Release(lockContext(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func lockAwaitRelease(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	l := lockMust(t, lockOpen(t, p, dir).Lock(), 1)
	lockAnnounce(t, l, 1, 1)
	for _, linked := range []bool{false, true} {
		c := lockClaim(2)
		c.Linked = linked
		won := lockAwait(lockContext(t), lockOpen(t, p, dir).Lock(), c)
		if err := l.Release(lockContext(t)); err != nil {
			t.Fatal(err)
		}
		w := <-won
		if w.err != nil {
			t.Fatalf("linked %v: %v", linked, w.err)
		}
		l = w.lease
	}
}

func lockAwaitCancelled(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	a, b := lockOpen(t, p, dir).Lock(), lockOpen(t, p, dir).Lock()
	for i := range 50 {
		l := lockMust(t, a, 1)
		ctx, cancel := context.WithCancel(lockContext(t))
		won := lockAwait(ctx, b, lockClaim(2))
		var released sync.WaitGroup
		released.Go(func() { _ = l.Release(lockContext(t)) })
		if i%2 == 0 {
			released.Wait() // else cancel and release race
		}
		cancel()
		w := <-won
		released.Wait()
		if w.err == nil {
			if err := w.lease.Release(lockContext(t)); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(w.err, context.Canceled) {
			t.Fatalf("await: %v, want canceled", w.err)
		}
		// Whatever the race gave, nobody has the lock now.
		if err := lockMust(t, a, 1).Release(lockContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Await(ctx, lockClaim(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("await with an ended context: %v", err)
	}
}

func lockAwaitClose(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	l := lockMust(t, lockOpen(t, p, dir).Lock(), 1)
	r := lockOpen(t, p, dir)
	won := lockAwait(lockContext(t), r.Lock(), lockClaim(2))
	if err := r.Close(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	if w := <-won; !errors.Is(w.err, sdk.ErrClosed) {
		t.Errorf("await of a closed plugin: %v, want closed", w.err)
	}
	if _, err := r.Lock().Await(lockContext(t), lockClaim(2)); !errors.Is(err, sdk.ErrClosed) {
		t.Errorf("await after close: %v, want closed", err)
	}
	if err := l.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lock().Acquire(lockContext(t), lockClaim(2)); !errors.Is(err, sdk.ErrClosed) {
		t.Errorf("acquire after close: %v, want closed", err)
	}
	lockMust(t, lockOpen(t, p, dir).Lock(), 3)
}

func lockCloseReleases(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	r := lockOpen(t, p, dir)
	l := lockMust(t, r.Lock(), 1)
	lockAnnounce(t, l, 1, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := r.Close(lockContext(t)); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	if err := l.Renew(lockContext(t)); err == nil {
		t.Error("a lease of a closed plugin renewed")
	}
	if h := lockInspect(t, lockOpen(t, p, dir).Lock()); h.Held || !h.Record.Left {
		t.Errorf("inspect after close %+v, want left", h)
	}
}

func lockBeat(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	l, b := lockMust(t, lockOpen(t, p, dir).Lock(), 1), lockOpen(t, p, dir).Lock()
	for announced := range 2 {
		before := lockInspect(t, b).Beat
		if still := lockInspect(t, b).Beat; still != before {
			t.Errorf("beat went from %d to %d without Renew", before, still)
		}
		if err := l.Renew(lockContext(t)); err != nil {
			t.Fatal(err)
		}
		if after := lockInspect(t, b).Beat; after <= before {
			t.Errorf("beat %d after Renew, %d before (announced: %d)", after, before, announced)
		}
		lockAnnounce(t, l, 1, 1)
	}
}

func lockReleaseTwice(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	l := lockMust(t, lockOpen(t, p, dir).Lock(), 1)
	lockAnnounce(t, l, 1, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := l.Release(lockContext(t)); err != nil {
				t.Errorf("release: %v", err)
			}
		})
		wg.Go(func() { _ = l.Renew(lockContext(t)) })
	}
	wg.Wait()
	if err := l.Announce(lockContext(t), lockClaim(1).Record); err == nil {
		t.Error("a released lease announced")
	}
	next := lockMust(t, lockOpen(t, p, dir).Lock(), 2)
	lockAnnounce(t, next, 2, 2)
	if err := l.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	h := lockInspect(t, lockOpen(t, p, dir).Lock())
	if !h.Held || h.Record.Left || h.Record.Epoch != 2 {
		t.Errorf("a late release disturbed the next holder: %+v", h)
	}
}

func lockBadClaims(t *testing.T, p sdk.Plugin) {
	k := lockOpen(t, p, t.TempDir()).Lock()
	c := lockClaim(1)
	c.TTL = time.Nanosecond
	if _, err := k.Acquire(lockContext(t), c); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("ttl of 1ns: %v, want invalid", err)
	}
	_, err := p.Open(lockContext(t), sdk.Env{
		Workspace: sdk.Workspace{StateDir: t.TempDir()}, Options: []byte(`{"no_such_option": 1}`)})
	if !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("unknown option: %v, want invalid", err)
	}
	c.TTL = 0
	l, err := k.Acquire(lockContext(t), c)
	if err != nil {
		t.Fatalf("default ttl: %v", err)
	}
	if l.Terms().TTL <= 0 {
		t.Errorf("terms %+v without a ttl", l.Terms())
	}
}

func lockAlive(t *testing.T, p sdk.Plugin) {
	dir := t.TempDir()
	k := lockOpen(t, p, dir).Lock()
	lockAnnounce(t, lockMust(t, k, 1), 1, 1)
	r := lockInspect(t, k).Record
	alive, err := k.Alive(lockContext(t), r)
	if err != nil {
		t.Fatal(err)
	}
	declared := p.Describe().Has(sdk.CapLiveness)
	if declared && alive != sdk.Alive || !declared && alive == sdk.Dead {
		t.Errorf("liveness %d of this very process", alive)
	}
	if alive, err := k.Alive(lockContext(t), sdk.Record{}); err != nil || alive != sdk.LivenessUnknown {
		t.Errorf("liveness of the zero record: %d, %v; want unknown", alive, err)
	}
	if r.StartTime == 0 {
		return // the plugin does not tell processes apart by start time
	}
	r.StartTime++
	if alive, err := k.Alive(lockContext(t), r); err != nil || declared && alive != sdk.Dead {
		t.Errorf("liveness of an earlier process with our id: %d, %v; want dead", alive, err)
	}
}
