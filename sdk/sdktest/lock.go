package sdktest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// lockPatience bounds each wait of the suite. It is a bound and no expectation:
// nothing is timed.
const lockPatience = 20 * time.Second

// Lock checks the lock stage of p against the contracts of [sdk.Lock] and
// [sdk.Lease]. Several instances of p are opened over one state directory in this
// process; what happens when a holder's process dies is for the plugin's own
// tests.
func Lock(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Serves(sdk.StageLock) {
		t.Fatalf("%s does not declare the lock stage", p.Describe().Name)
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, sdk.Plugin)
	}{
		{"unused workspace", lockUnused},
		{"acquire, announce, inspect, release", lockLifecycle},
		{"changed", lockChanged},
		{"held by another", lockHeld},
		{"one winner of many", lockRace},
		{"await after release", lockAwaitRelease},
		{"await cancelled", lockAwaitCancelled},
		{"await and close", lockAwaitClose},
		{"close releases", lockCloseReleases},
		{"announce is fenced", lockAnnounceFenced},
		{"renew raises the beat", lockBeat},
		{"takeover", lockTakeover},
		{"takeover of another than named", lockTakeoverStale},
		{"takeover gets the lock later", lockTakeoverSettles},
		{"takeover ended", lockTakeoverEnded},
		{"release is idempotent", lockReleaseTwice},
		{"bad claims", lockBadClaims},
		{"alive", lockAlive},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, p) })
	}
}

// lockOpen opens p over a state directory inside dir and closes it with the test.
func lockOpen(t *testing.T, p sdk.Plugin, dir string) sdk.Running {
	t.Helper()
	r, err := p.Open(context.Background(), sdk.Env{Workspace: sdk.Workspace{
		Dir: dir, StateDir: filepath.Join(dir, ".ramet"), DataPath: filepath.Join(dir, ".ramet", "ramet.db"), Key: "suite",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func lockContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	t.Cleanup(cancel)
	return ctx
}

func lockClaim(n int) sdk.Claim {
	return sdk.Claim{Record: sdk.Record{
		Instance: fmt.Sprintf("instance-%d", n), Incarnation: fmt.Sprintf("%032x", n),
		Program: "suite", Version: "1.2.3", Workspace: "workspace",
	}}
}

// lockMust acquires for instance n.
func lockMust(t *testing.T, k sdk.Lock, n int) sdk.Lease {
	t.Helper()
	l, err := k.Acquire(lockContext(t), lockClaim(n))
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return l
}

// lockAnnounce announces instance n as the primary of epoch.
func lockAnnounce(t *testing.T, l sdk.Lease, n int, epoch uint64) sdk.Record {
	t.Helper()
	r := lockClaim(n).Record
	r.Epoch, r.Lineage, r.SinceUnix = epoch, "lineage", 12345
	r.Endpoints = []sdk.Endpoint{"suite:a", "suite:b"}
	if err := l.Announce(lockContext(t), r); err != nil {
		t.Fatalf("announce: %v", err)
	}
	return r
}

func lockInspect(t *testing.T, k sdk.Lock) sdk.Holding {
	t.Helper()
	h, err := k.Inspect(lockContext(t))
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return h
}

// lockWantHeld fails unless err says that another holds the lock.
func lockWantHeld(t *testing.T, err error) sdk.Record {
	t.Helper()
	var held *sdk.HeldError
	if !errors.As(err, &held) || !errors.Is(err, sdk.ErrHeld) {
		t.Fatalf("error %v, want *HeldError", err)
	}
	return held.Holder
}

// lockWinner is what Await gave.
type lockWinner struct {
	lease sdk.Lease
	err   error
}

func lockAwait(ctx context.Context, k sdk.Lock, c sdk.Claim) <-chan lockWinner {
	won := make(chan lockWinner, 1)
	go func() {
		l, err := k.Await(ctx, c)
		won <- lockWinner{l, err}
	}()
	return won
}
