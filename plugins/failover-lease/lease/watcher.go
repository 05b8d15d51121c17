package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// missedLimit is how many beats in a row a standby must miss, awake, before it
// suspects a primary whose process exists.
const missedLimit = 5

// watcher is the failure detector. It is a function of the evidence.
type watcher struct{ ttl time.Duration }

var _ sdk.Watcher = watcher{}

// Judge weighs the evidence, the surest first: what the primary said itself, what
// the system knows of its process, what a direct probe found, and only then
// silence.
func (w watcher) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Judgement{}, err
	}
	if e.TTL < 0 || e.Missed < 0 {
		return sdk.Judgement{}, fmt.Errorf("%w: evidence with a negative ttl (%v) or count (%d)", sdk.ErrInvalid, e.TTL, e.Missed)
	}
	ttl := e.TTL
	if ttl == 0 {
		ttl = w.ttl
	}
	beat := max(ttl/5, time.Millisecond)
	soon := max(beat/4, time.Millisecond)
	verdict, reason := judge(e)
	j := sdk.Judgement{Verdict: verdict, Reason: reason, Recheck: beat}
	if verdict != sdk.VerdictAlive {
		j.Recheck = soon
	}
	return j, nil
}

func judge(e sdk.Evidence) (sdk.Verdict, string) {
	switch {
	case e.Goodbye:
		return sdk.VerdictHandover, "the primary said that it leaves"
	case e.Process == sdk.Dead && e.LockIsOurs:
		return sdk.VerdictLost, "the primary's process exists no more, and this instance holds the lock"
	case e.Process == sdk.Dead:
		return sdk.VerdictLost, "the primary's process exists no more"
	case e.Probed && e.ProbeOK:
		return sdk.VerdictAlive, "the primary answered a direct probe"
	case e.Late:
		// This process was not awake, so it saw nothing: what looks like silence may
		// be its own sleep. See TestResumedLaptopEvictsNobody.
		return sdk.VerdictAlive, "this instance was not awake itself; counting starts over"
	case e.Missed >= missedLimit && e.Probed:
		return sdk.VerdictLost, fmt.Sprintf("the primary missed %d beats in a row and did not answer a direct probe", e.Missed)
	case e.Missed >= missedLimit:
		return sdk.VerdictSuspect, fmt.Sprintf("the primary missed %d beats in a row", e.Missed)
	case !e.LinkUp && !e.Probed && e.Process == sdk.LivenessUnknown:
		return sdk.VerdictSuspect, "there is no link to the primary, and its process cannot be looked at"
	case !e.LinkUp:
		return sdk.VerdictAlive, fmt.Sprintf("there is no link to the primary, but it missed only %d of %d beats", e.Missed, missedLimit)
	case e.Missed > 1:
		return sdk.VerdictAlive, fmt.Sprintf("the primary missed %d of %d beats", e.Missed, missedLimit)
	}
	return sdk.VerdictAlive, "the primary shows signs of life"
}
