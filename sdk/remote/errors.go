package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// fate is what it means for a method that its plugin's process died, or stayed
// silent, before it answered.
type fate uint8

const (
	// fateNothing: it read, or what it made died with the process. ErrUnavailable.
	fateNothing fate = iota
	// fateWrite: it may have had its effect if it was sent. ErrUnavailable if it
	// certainly was not, *OutcomeUnknownError otherwise.
	fateWrite
	// fateOutcome: it asks for the outcome of a write, where ErrUnavailable would be an
	// answer ("not applied"). Always *OutcomeUnknownError.
	fateOutcome
	// fateTx: it belongs to a transaction, which died with the process. ErrTxLost.
	fateTx
	// fateCommit: ErrTxLost if it certainly was not sent, else *OutcomeUnknownError.
	fateCommit
	// fateRelease: the process's death released what it should release. No error.
	fateRelease
)

// fateOf returns the fate of a method. A lease's renewal belongs to fateNothing:
// ErrUnavailable says "unknown, which is not lost", and that the lock is lost the
// plugin's health tells.
func fateOf(o op) fate {
	switch o {
	case opLeaseAnnounce, opDBAdvance, opDBSetSchema, opDBApply, opServerPublish, opLinkCall, opLinkPublish, opHandlerHandle:
		return fateWrite
	case opDBOutcome:
		return fateOutcome
	case opTxExec, opTxQuery:
		return fateTx
	case opTxCommit:
		return fateCommit
	case opDrop, opLeaseRelease, opDBClose, opTxRollback, opRowsClose, opFeedClose, opServerClose, opLinkClose,
		opSubscriptionClose:
		return fateRelease
	}
	return fateNothing
}

// explain turns an error of invoke into what the method's contract says.
func explain(o op, err error) error {
	var broken *brokenError
	var silent *silentError
	switch {
	case errors.As(err, &broken):
		return broken.explain(o)
	case errors.As(err, &silent):
		switch fateOf(o) {
		case fateWrite, fateOutcome, fateCommit:
			return &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%s was sent and not answered: %w", o, silent.cause)}
		case fateRelease:
			return fmt.Errorf("%w: %s was not answered: %w", sdk.ErrUnclean, o, silent.cause)
		}
		return fmt.Errorf("%s was not answered: %w", o, silent.cause)
	}
	return err
}

func (e *brokenError) explain(o op) error {
	unavailable := fmt.Errorf("%w: %s: %w", sdk.ErrUnavailable, o, e.why)
	unknown := &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%s: %w", o, e.why)}
	switch f := fateOf(o); {
	case f == fateRelease:
		return nil
	case errors.Is(e.why, errClosed) && (!e.sent || f == fateNothing):
		return fmt.Errorf("%w: %s: the plugin was closed", sdk.ErrClosed, o)
	case f == fateOutcome, e.sent && (f == fateWrite || f == fateCommit):
		return unknown
	case f == fateTx, f == fateCommit:
		return fmt.Errorf("%w: %s: %w", sdk.ErrTxLost, o, e.why)
	}
	return unavailable
}

// goneError is the end of a plugin's process, as its calls see it.
type goneError struct {
	name string
	pid  int
	why  error
}

func (e *goneError) Error() string {
	return fmt.Sprintf("plugin %s (pid %d) is gone: %v", e.name, e.pid, e.why)
}

// isOver reports whether err is the end of a context.
func isOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
