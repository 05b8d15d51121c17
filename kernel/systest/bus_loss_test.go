package systest

import (
	"fmt"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestSlowSubscriberCountsLost: it delays nobody, and each message is delivered or
// counted, although nothing is published after the last ones were lost.
func TestSlowSubscriberCountsLost(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	slow := []*kernel.Subscription{subscribe(t, a, "x"), subscribe(t, b, "x")}
	quick := subscribe(t, b, "x")
	const n = 12000
	drain := func(s *kernel.Subscription) (got, lost int, err error) {
		for got+lost < n {
			e, err := s.Next(within(t))
			if err != nil {
				return got, lost, fmt.Errorf("after %d events and %d lost: %w", got, lost, err)
			}
			lost += int(e.Lost)
			if e.Notice && (e.Lost == 0 || len(e.Body) > 0 || e.Topic != "") {
				return got, lost, fmt.Errorf("a notice of nothing, or with a message: %+v", e)
			}
			if !e.Notice {
				got++
			}
		}
		return got, lost, nil
	}
	seen := make(chan error, 1)
	go func() {
		_, _, err := drain(quick)
		seen <- err
	}()
	for k := range n {
		publish(t, a, "x", fmt.Sprint(k))
	}
	if err := <-seen; err != nil {
		t.Errorf("quick subscriber: %v", err)
	}
	for k, s := range slow {
		got, lost, err := drain(s)
		if err != nil || lost == 0 || got+lost != n {
			t.Errorf("slow subscriber %d: %d got and %d lost of %d, %v", k, got, lost, n, err)
		}
	}
	publish(t, b, "x", "after")
	for k, s := range slow {
		if e := nextEvent(t, s); e.Lost != 0 || e.Notice || string(e.Body) != "after" {
			t.Errorf("slow subscriber %d: %+v after all was told", k, e)
		}
	}
}

// TestFailoverIsToldWithoutAMessage: a subscriber learns that messages may be missing
// also when none follows.
func TestFailoverIsToldWithoutAMessage(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir), boot(t, dir), boot(t, dir)
	subs := []*kernel.Subscription{subscribe(t, b, "x"), subscribe(t, c, "x")}
	publish(t, a, "x", "before")
	for _, s := range subs {
		if e := nextEvent(t, s); e.Gap || e.Notice {
			t.Errorf("event %+v", e)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for n, s := range subs {
		if e := nextEvent(t, s); !e.Gap || !e.Notice || e.Lost != 0 || len(e.Body) > 0 {
			t.Errorf("subscriber %d: %+v, want a notice of the gap", n, e)
		}
	}
	publish(t, b, "x", "after") // the notice came when the subscriptions were effective again
	for n, s := range subs {
		if e := nextEvent(t, s); e.Gap || e.Notice || string(e.Body) != "after" {
			t.Errorf("subscriber %d: %+v, want the message and no second gap", n, e)
		}
	}
}
