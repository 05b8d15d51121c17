package kernel

import (
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Defaults of Restart.
const (
	DefaultRestartMax     = 5
	DefaultRestartPer     = time.Minute
	DefaultRestartBackoff = 10 * time.Millisecond
)

// maxRestartPause caps the pause between two restarts.
const maxRestartPause = 5 * time.Second

// Restart is how often a plugin that failed is opened again. The first time within
// Per is at once, so that a single crash costs little; then come pauses of Backoff,
// twice Backoff and so on, up to five seconds. After Max times the plugin is given
// up and its stages are degraded, until the first of these times is Per ago: the
// budget comes back by itself. An Open that fails counts too. The zero value means
// the defaults.
type Restart struct {
	Max     int           // openings within Per; 0: 5; -1: a failed plugin is never opened again
	Per     time.Duration // 0: one minute
	Backoff time.Duration // the first pause; 0: 10 ms
}

// withDefaults returns r with its zero values replaced.
func (r Restart) withDefaults() (Restart, error) {
	if r.Max < -1 || r.Per < 0 || r.Backoff < 0 {
		return r, fmt.Errorf("%w: Max is %d, Per %v, Backoff %v; Max must be at least -1, the others not negative",
			sdk.ErrInvalid, r.Max, r.Per, r.Backoff)
	}
	if r.Max == 0 {
		r.Max = DefaultRestartMax
	}
	if r.Per == 0 {
		r.Per = DefaultRestartPer
	}
	if r.Backoff == 0 {
		r.Backoff = DefaultRestartBackoff
	}
	return r, nil
}

// budget counts the restarts of one plugin. Its supervisor alone uses it.
type budget struct {
	Restart
	spent []time.Time // within Per, oldest first
}

// next returns how long to wait before the next restart. It is over when the
// budget was exhausted: then the wait is until it comes back, and below zero if that
// is never.
func (b *budget) next(now time.Time) (wait time.Duration, over bool) {
	if b.Max < 0 {
		return -1, true
	}
	for len(b.spent) > 0 && now.Sub(b.spent[0]) >= b.Per {
		b.spent = b.spent[1:]
	}
	n := len(b.spent)
	if n >= b.Max {
		return b.spent[0].Add(b.Per).Sub(now), true
	}
	if n == 0 {
		return 0, false
	}
	wait = b.Backoff
	for range n - 1 {
		wait = min(2*wait, maxRestartPause)
	}
	return min(wait, maxRestartPause), false
}

// spend notes a restart.
func (b *budget) spend(now time.Time) { b.spent = append(b.spent, now) }
