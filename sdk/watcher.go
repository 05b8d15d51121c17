package sdk

import (
	"context"
	"time"
)

// Watcher is a failure detector. It is pure: it owns no timer, no goroutine and
// does no I/O, so a fake clock can drive it.
type Watcher interface {
	// Judge weighs the evidence. The kernel asks again after Judgement.Recheck, or
	// at once when something happens.
	Judge(ctx context.Context, e Evidence) (Judgement, error)
}

// Evidence is what the kernel has seen of the primary. Durations are of a clock
// that does not run while the machine is suspended.
type Evidence struct {
	TTL        time.Duration // of the primary's lease; 0: the plugin's default
	Missed     int           // readings in a row, one interval apart while this process was awake, without a new beat
	Late       bool          // our own timer fired late, so Missed was started over
	LinkUp     bool          // the link to the primary is up
	Goodbye    bool          // the primary said that it leaves
	Process    Liveness      // of the primary's process
	Probed     bool          // a direct probe was made since the last beat
	ProbeOK    bool          // and it was answered
	LockIsOurs bool          // this instance holds the lock, next in line
}

// Verdict is what the evidence means.
type Verdict uint8

// The verdicts.
const (
	VerdictAlive    Verdict = iota // nothing to do
	VerdictSuspect                 // make a direct probe and ask again
	VerdictLost                    // displace it
	VerdictHandover                // it left on purpose: take its place at once
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case VerdictAlive:
		return "alive"
	case VerdictSuspect:
		return "suspect"
	case VerdictLost:
		return "lost"
	case VerdictHandover:
		return "handover"
	}
	return "unknown"
}

// Judgement is a verdict with its reason.
type Judgement struct {
	Verdict Verdict
	Reason  string        // for the log and status; never empty
	Recheck time.Duration // ask again after this long; > 0
}
