package lease

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// open starts the plugin over dir and closes it with the test.
func open(t testing.TB, dir string) sdk.Running {
	t.Helper()
	r, err := New().Open(context.Background(), sdk.Env{Workspace: sdk.Workspace{StateDir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func claim(name string) sdk.Claim {
	return sdk.Claim{Record: sdk.Record{Instance: name, Incarnation: name + "-incarnation", Program: "test"}}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustAcquire(t testing.TB, k sdk.Lock, c sdk.Claim) sdk.Lease {
	t.Helper()
	l, err := k.Acquire(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAnnounce(t testing.TB, l sdk.Lease, c sdk.Claim, epoch uint64) sdk.Record {
	t.Helper()
	r := c.Record
	r.Epoch, r.Lineage, r.Endpoints = epoch, "lineage", []sdk.Endpoint{"unix:///s"}
	if err := l.Announce(within(t), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConformance(t *testing.T) {
	sdktest.NoLeaks(t)
	t.Run("lock", func(t *testing.T) { sdktest.Lock(t, New()) })
	t.Run("watcher", func(t *testing.T) { sdktest.Watcher(t, New()) })
}

func TestConformanceAcrossBoundary(t *testing.T) {
	sdktest.NoLeaks(t)
	t.Run("lock", func(t *testing.T) { sdktest.Lock(t, sdktest.Loopback(New())) })
	t.Run("watcher", func(t *testing.T) { sdktest.Watcher(t, sdktest.Loopback(New())) })
}

func TestHeldLockWithUnreadableRecordIsHeld(t *testing.T) {
	for _, garbage := range []string{"", "{", "\x00\x01", `{"format":99}`, strings.Repeat("x", 1<<17)} {
		dir := filepath.Join(t.TempDir(), "state")
		c := claim("a")
		l := mustAcquire(t, open(t, dir).Lock(), c)
		mustAnnounce(t, l, c, 1)
		for _, name := range []string{"record", "lock"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(garbage), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := open(t, dir).Lock().Acquire(within(t), claim("b"))
			var held *sdk.HeldError
			if !errors.As(err, &held) || !errors.Is(err, sdk.ErrHeld) {
				t.Fatalf("garbage %.10q in %s: %v, want HeldError", garbage, name, err)
			}
		}
		if err := l.Renew(within(t)); err != nil {
			t.Fatal(err)
		}
		h, err := open(t, dir).Lock().Inspect(within(t))
		if err != nil || !h.Held || h.Record.Epoch != 1 {
			t.Fatalf("after Renew: %+v, %v; want the record again", h, err)
		}
	}
}

func TestLockFileDeletedUnderLivePrimary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c := claim("a")
	l := mustAcquire(t, open(t, dir).Lock(), c)
	mustAnnounce(t, l, c, 1)
	other := open(t, dir).Lock()
	for range 5 {
		if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Acquire(within(t), claim("b")); !errors.Is(err, sdk.ErrHeld) {
			t.Fatalf("file gone: %v, want held", err)
		}
		if err := l.Renew(within(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Acquire(within(t), claim("b")); !errors.Is(err, sdk.ErrHeld) {
			t.Fatalf("file made anew: %v, want held", err)
		}
	}
	if err := l.Release(within(t)); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, other, claim("b"))
}

func TestLockFileReplacedAndTakenByAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c := claim("a")
	l := mustAcquire(t, open(t, dir).Lock(), c) // not announced, so nobody can know
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, open(t, dir).Lock(), claim("b"))
	if err := l.Renew(within(t)); !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), "removed") {
		t.Fatalf("renew: %v, want unavailable with the reason", err)
	}
}
