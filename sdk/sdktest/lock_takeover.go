package sdktest

import (
	"errors"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func lockAnnounceFenced(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Has(sdk.CapTakeover) {
		return // there is never more than one lease
	}
	old, taker, b := lockTaken(t, p)
	r := lockClaim(1).Record
	r.Epoch, r.Lineage = 1, "lineage"
	if err := old.Announce(lockContext(t), r); !errors.Is(err, sdk.ErrFenced) {
		t.Errorf("announce of a lower epoch: %v, want fenced", err)
	}
	if err := old.Renew(lockContext(t)); !errors.Is(err, sdk.ErrFenced) {
		t.Errorf("renew of the displaced: %v, want fenced", err)
	}
	if err := taker.Renew(lockContext(t)); err != nil {
		t.Errorf("renew of the taker: %v", err)
	}
	if h := lockInspect(t, b); h.Record.Epoch != 2 || !h.Record.Takeover {
		t.Errorf("record %+v, want the taker's", h.Record)
	}
}

// lockTaken gives a displaced lease (instance 1, epoch 1), that of its taker
// (instance 2, epoch 2) and a third party's lock.
func lockTaken(t *testing.T, p sdk.Plugin) (old, taker sdk.Lease, third sdk.Lock) {
	t.Helper()
	dir := t.TempDir()
	a, b := lockOpen(t, p, dir).Lock(), lockOpen(t, p, dir).Lock()
	old = lockMust(t, a, 1)
	lockAnnounce(t, old, 1, 1)
	c := lockClaim(2)
	c.Takeover, c.Displaces = true, lockInspect(t, b).Record
	taker, err := b.Acquire(lockContext(t), c)
	if err != nil {
		t.Fatalf("takeover: %v", err)
	}
	if terms := taker.Terms(); !terms.Takeover || terms.Epoch != 1 || terms.Lineage != "lineage" {
		t.Fatalf("terms %+v of a takeover", terms)
	}
	lockAnnounce(t, taker, 2, 2)
	return old, taker, lockOpen(t, p, dir).Lock()
}

func lockTakeover(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Has(sdk.CapTakeover) {
		dir := t.TempDir()
		lockMust(t, lockOpen(t, p, dir).Lock(), 1)
		c := lockClaim(2)
		c.Takeover = true
		if _, err := lockOpen(t, p, dir).Lock().Acquire(lockContext(t), c); !errors.Is(err, sdk.ErrUnsupported) && !errors.Is(err, sdk.ErrHeld) {
			t.Errorf("undeclared takeover: %v, want unsupported or held", err)
		}
		return
	}
	_, _, third := lockTaken(t, p)
	_, err := third.Acquire(lockContext(t), lockClaim(3))
	if h := lockWantHeld(t, err); h.Instance != "instance-2" || h.Epoch != 2 || !h.Takeover {
		t.Errorf("held by %+v, want the taker, who serves", h)
	}
	dir := t.TempDir()
	c := lockClaim(1)
	c.Takeover = true
	l, err := lockOpen(t, p, dir).Lock().Acquire(lockContext(t), c)
	if err != nil || l.Terms().Takeover {
		t.Errorf("takeover of a free lock: %v; want an ordinary lease", err)
	}
}

func lockTakeoverStale(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Has(sdk.CapTakeover) {
		return
	}
	_, _, third := lockTaken(t, p)
	c := lockClaim(3)
	c.Takeover = true
	c.Displaces = lockClaim(1).Record
	c.Displaces.Epoch = 1
	_, err := third.Acquire(lockContext(t), c)
	if h := lockWantHeld(t, err); h.Epoch != 2 {
		t.Errorf("held by %+v, want the taker", h)
	}
	c.Displaces = lockInspect(t, third).Record
	c.Displaces.Epoch++
	_, err = third.Acquire(lockContext(t), c)
	lockWantHeld(t, err)
}

func lockTakeoverSettles(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Has(sdk.CapTakeover) {
		return
	}
	old, taker, third := lockTaken(t, p)
	if err := old.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	if h := lockInspect(t, third); h.Record.Epoch != 2 || h.Record.Left {
		t.Errorf("the displaced one's release changed the record: %+v", h.Record)
	}
	if err := taker.Renew(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	if taker.Terms().Takeover {
		t.Error("the lock is free, and Renew did not take it")
	}
	lockAnnounce(t, taker, 2, 2)
	if h := lockInspect(t, third); !h.Held || h.Record.Takeover {
		t.Errorf("inspect %+v, want held and no takeover any more", h)
	}
	_, err := third.Acquire(lockContext(t), lockClaim(3))
	lockWantHeld(t, err)
}

func lockTakeoverEnded(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Has(sdk.CapTakeover) {
		return
	}
	_, taker, third := lockTaken(t, p)
	won := lockAwait(lockContext(t), third, lockClaim(3))
	if err := taker.Release(lockContext(t)); err != nil {
		t.Fatal(err)
	}
	w := <-won
	if w.err != nil || !w.lease.Terms().Takeover || w.lease.Terms().Epoch != 2 {
		t.Errorf("await after a taker left: %+v, want a lease by takeover", w)
	}
}
