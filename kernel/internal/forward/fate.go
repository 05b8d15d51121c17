package forward

import (
	"context"
	"errors"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// fate is what an attempt's error says about the write.
type fate uint8

const (
	settled fate = iota // it is the answer
	refused             // this target did not execute it: ask again
	maybe               // it may have been executed: ask again under the same id
)

// fateOf judges the error of one attempt.
func fateOf(err error) fate {
	var sql *sdk.SQLError
	switch {
	case err == nil:
		return settled
	case errors.Is(err, sdk.ErrOutcomeUnknown):
		return maybe
	case errors.As(err, &sql):
		return settled // also a full disk, which no retry cures
	case errors.Is(err, sdk.ErrFenced), errors.Is(err, sdk.ErrNotPrimary), errors.Is(err, sdk.ErrUnavailable), errors.Is(err, sdk.ErrClosed):
		return refused
	case errors.Is(err, sdk.ErrInternal):
		return maybe
	case sdk.CodeOf(err) != 0:
		return settled
	}
	return maybe // a bare context error, or nothing we know
}

// gone reports whether t will certainly never answer again, so that only a later
// generation is worth asking. When in doubt it is false: asking again costs a
// millisecond, waiting for a generation that never comes costs the deadline.
func gone(t Target, err error) bool {
	if t.Local != nil {
		return errors.Is(err, sdk.ErrNotPrimary) || errors.Is(err, sdk.ErrFenced) // a writer never reopens
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err = t.Link.Wait(ended)
	return err == nil || errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, context.Canceled)
}

// backoff waits between attempts at the same target. The zero value is ready.
type backoff struct{ pause time.Duration }

const (
	firstPause = 500 * time.Microsecond
	lastPause  = 5 * time.Millisecond
)

// wait pauses, longer each time, until ctx ends or closed is closed.
func (b *backoff) wait(ctx context.Context, closed <-chan struct{}) error {
	b.pause = min(max(2*b.pause, firstPause), lastPause)
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closed:
		return errClosed
	}
}
