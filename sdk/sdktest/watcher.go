package sdktest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Watcher checks the watcher stage of p against the contract of [sdk.Watcher]:
// pure, total, and of sound judgement in the cases that every failure detector
// has to agree on.
func Watcher(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Serves(sdk.StageWatcher) {
		t.Fatalf("%s does not declare the watcher stage", p.Describe().Name)
	}
	t.Run("verdicts", func(t *testing.T) { watcherVerdicts(t, watcherOpen(t, p)) })
	t.Run("every evidence is judged, twice the same", func(t *testing.T) { watcherTotal(t, watcherOpen(t, p)) })
	t.Run("cancelled context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := watcherOpen(t, p).Judge(ctx, sdk.Evidence{}); err == nil {
			t.Error("judged under a context that had ended")
		}
	})
}

func watcherOpen(t *testing.T, p sdk.Plugin) sdk.Watcher {
	t.Helper()
	return lockOpen(t, p, t.TempDir()).Watcher()
}

func watcherVerdicts(t *testing.T, w sdk.Watcher) {
	const ttl = 3 * time.Second
	cases := []struct {
		name string
		e    sdk.Evidence
		want []sdk.Verdict
	}{
		{"healthy", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive}, []sdk.Verdict{sdk.VerdictAlive}},
		{"default ttl", sdk.Evidence{LinkUp: true, Process: sdk.Alive}, []sdk.Verdict{sdk.VerdictAlive}},
		{"one late beat", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive, Missed: 1}, []sdk.Verdict{sdk.VerdictAlive}},
		{"goodbye", sdk.Evidence{TTL: ttl, Goodbye: true, Process: sdk.Alive}, []sdk.Verdict{sdk.VerdictHandover}},
		{"goodbye, then dead", sdk.Evidence{TTL: ttl, Goodbye: true, Process: sdk.Dead}, []sdk.Verdict{sdk.VerdictHandover, sdk.VerdictLost}},
		{"dead", sdk.Evidence{TTL: ttl, Process: sdk.Dead}, []sdk.Verdict{sdk.VerdictLost}},
		{"dead, link not noticed yet", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Dead}, []sdk.Verdict{sdk.VerdictLost}},
		{"dead, lock is ours", sdk.Evidence{TTL: ttl, Process: sdk.Dead, LockIsOurs: true}, []sdk.Verdict{sdk.VerdictLost}},
		{"silent, not probed", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive, Missed: 5}, []sdk.Verdict{sdk.VerdictSuspect}},
		{"silent and deaf: stopped", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive, Missed: 5, Probed: true}, []sdk.Verdict{sdk.VerdictLost}},
		{"silent, on another machine", sdk.Evidence{TTL: ttl, Missed: 100, Probed: true}, []sdk.Verdict{sdk.VerdictLost}},
		{"silent, but answers", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive, Missed: 50, Probed: true, ProbeOK: true}, []sdk.Verdict{sdk.VerdictAlive}},
		{"deaf, but beats", sdk.Evidence{TTL: ttl, LinkUp: true, Process: sdk.Alive, Probed: true}, []sdk.Verdict{sdk.VerdictAlive, sdk.VerdictSuspect}},
		{"we slept ourselves", sdk.Evidence{TTL: ttl, Process: sdk.Alive, Late: true}, []sdk.Verdict{sdk.VerdictAlive}},
		{"no link, process unknown", sdk.Evidence{TTL: ttl}, []sdk.Verdict{sdk.VerdictAlive, sdk.VerdictSuspect}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j, err := w.Judge(context.Background(), c.e)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range c.want {
				if j.Verdict == v {
					return
				}
			}
			t.Errorf("verdict %v (%s), want %v", j.Verdict, j.Reason, c.want)
		})
	}
}

// watcherTotal tries every combination of the booleans.
func watcherTotal(t *testing.T, w sdk.Watcher) {
	ctx := context.Background()
	for bits := range 1 << 6 {
		for _, missed := range []int{0, 1, 4, 5, 1000} {
			for _, process := range []sdk.Liveness{sdk.LivenessUnknown, sdk.Alive, sdk.Dead} {
				e := sdk.Evidence{TTL: time.Second, Missed: missed, Process: process,
					Late: bits&1 != 0, LinkUp: bits&2 != 0, Goodbye: bits&4 != 0,
					Probed: bits&8 != 0, ProbeOK: bits&16 != 0, LockIsOurs: bits&32 != 0}
				if err := watcherSound(ctx, w, e); err != nil {
					t.Fatalf("%+v: %v", e, err)
				}
			}
		}
	}
}

func watcherSound(ctx context.Context, w sdk.Watcher, e sdk.Evidence) error {
	a, err := w.Judge(ctx, e)
	if err != nil {
		return err
	}
	b, err := w.Judge(ctx, e)
	switch {
	case err != nil:
		return err
	case a != b:
		return fmt.Errorf("judged %+v, then %+v", a, b)
	case a.Reason == "" || a.Recheck <= 0 || a.Recheck > e.TTL:
		return fmt.Errorf("judgement %+v lacks a reason or a recheck in (0, %v]", a, e.TTL)
	case a.Verdict == sdk.VerdictLost && e.Process != sdk.Dead && (e.Probed && e.ProbeOK || e.Missed == 0):
		return fmt.Errorf("a primary that shows signs of life was called lost: %s", a.Reason)
	case a.Verdict == sdk.VerdictHandover && !e.Goodbye:
		return fmt.Errorf("a primary that said nothing was called leaving: %s", a.Reason)
	}
	return nil
}
