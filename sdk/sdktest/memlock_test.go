package sdktest

import (
	"context"
	"errors"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestMemLock(t *testing.T) {
	NoLeaks(t)
	t.Run("lock", func(t *testing.T) { Lock(t, MemLock()) })
	t.Run("watcher", func(t *testing.T) { Watcher(t, MemLock()) })
}

func TestMemLockDeathFreesTheLock(t *testing.T) {
	NoLeaks(t)
	m, dir := MemLock(), t.TempDir()
	a, b := lockOpen(t, m, dir).Lock(), lockOpen(t, m, dir).Lock()
	l := lockMust(t, a, 1)
	r := lockAnnounce(t, l, 1, 1)
	won := lockAwait(lockContext(t), b, lockClaim(2))
	m.SetAlive(r.Incarnation, sdk.Dead)
	if w := <-won; w.err != nil || w.lease.Terms().Takeover {
		t.Fatalf("await after the holder's death: %+v", w)
	}
	if err := l.Renew(context.Background()); !errors.Is(err, sdk.ErrFenced) {
		t.Errorf("renew of the dead: %v, want fenced", err)
	}
	if alive, err := b.Alive(context.Background(), r); err != nil || alive != sdk.Dead {
		t.Errorf("liveness %d, %v; want dead", alive, err)
	}
}
