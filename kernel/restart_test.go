package kernel

import (
	"errors"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// TestBudget walks a plugin that crashes at once each time it is opened.
func TestBudget(t *testing.T) {
	r, err := Restart{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	b := budget{Restart: r}
	now := time.Unix(1_000_000, 0)
	began := now
	for n, want := range []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond} {
		wait, over := b.next(now)
		if wait != want || over {
			t.Errorf("restart %d: wait %v, over %v; want %v", n, wait, over, want)
		}
		now = now.Add(wait)
		b.spend(now)
	}
	wait, over := b.next(now)
	if want := began.Add(time.Minute).Sub(now); !over || wait != want {
		t.Fatalf("after five: wait %v, over %v; want %v and over", wait, over, want)
	}
	now = now.Add(wait) // the first has left the window, the other four have not
	if wait, over = b.next(now); over || wait != 80*time.Millisecond {
		t.Errorf("when the budget is back: wait %v, over %v; want 80ms", wait, over)
	}
	now = now.Add(time.Hour)
	if wait, over = b.next(now); over || wait != 0 {
		t.Errorf("after a quiet hour: wait %v, over %v; want at once", wait, over)
	}
}

func TestBudgetLimits(t *testing.T) {
	if wait, over := (&budget{Restart: Restart{Max: -1}}).next(time.Now()); wait >= 0 || !over {
		t.Errorf("Max -1: wait %v, over %v; want never", wait, over)
	}
	b := budget{Restart: Restart{Max: 100, Per: time.Hour, Backoff: time.Second}}
	now := time.Now()
	for range 60 { // the doubling must not overflow
		b.spend(now)
	}
	if wait, over := b.next(now); wait != maxRestartPause || over {
		t.Errorf("after 60: wait %v, over %v; want %v", wait, over, maxRestartPause)
	}
	for _, r := range []Restart{{Max: -2}, {Per: -1}, {Backoff: -1}} {
		if _, err := r.withDefaults(); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", r, err)
		}
	}
}
