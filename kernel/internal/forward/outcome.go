package forward

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// Outcome asks the primary what became of a write of this client that ended
// unknown, and lets its record go when it knows. It returns the result if it was
// applied ([sdk.ErrResultGone] if that is no longer kept), [sdk.ErrUnavailable] if it
// was not applied and never will be, and *[sdk.OutcomeUnknownError] if nobody could
// tell in time.
func (c *Client) Outcome(ctx context.Context, id sdk.WriteID) (sdk.Result, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	res, applied, err := c.resolve(ctx, id, c.ids.lineage(id), nil)
	if !errors.Is(err, sdk.ErrOutcomeUnknown) {
		c.ids.asked(id)
	}
	if err == nil && !applied {
		err = notApplied(id)
	}
	return res, err
}

// resolve asks until a primary over lineage ("": any) tells whether id was
// applied. cause is why it has to be asked. An error other than ErrResultGone, which
// comes with applied, is *OutcomeUnknownError.
func (c *Client) resolve(ctx context.Context, id sdk.WriteID, lineage string, cause error) (sdk.Result, bool, error) {
	var after uint64
	var pause backoff
	for last := cause; ; {
		t, err := c.target(ctx, after)
		if err != nil {
			return sdk.Result{}, false, giveUp(id, true, last, err)
		}
		if lineage != "" && t.Lineage != lineage {
			return sdk.Result{}, false, giveUp(id, true, last, replaced(lineage, t.Lineage))
		}
		res, applied, err := ask(ctx, t, id)
		if err == nil || applied {
			return res, applied, err
		}
		if fateOf(err) == settled || errors.Is(err, sdk.ErrInternal) {
			return sdk.Result{}, false, giveUp(id, true, last, err)
		}
		last = err
		if gone(t, err) {
			after = t.Generation
		} else if err := pause.wait(ctx, c.closed); err != nil {
			return sdk.Result{}, false, giveUp(id, true, last, err)
		}
	}
}

func ask(ctx context.Context, t Target, id sdk.WriteID) (sdk.Result, bool, error) {
	if t.Local != nil {
		return t.Local.outcome(ctx, id)
	}
	reply, err := call(ctx, t, opOutcome, wire.AppendWriteID(nil, id))
	if err != nil {
		return sdk.Result{}, false, err
	}
	r, err := decodeOutcomeReply(reply)
	if err != nil {
		return sdk.Result{}, false, fmt.Errorf("%w: the primary's answer: %v", sdk.ErrInternal, err)
	}
	err, r.result.Err = r.result.Err, nil
	return r.result, r.applied, err
}

func replaced(was, is string) error {
	return fmt.Errorf("the database's content was replaced meanwhile (lineage %q, now %q)", was, is)
}

// giveUp chooses the error of a call that got no answer: cause ended it, last was
// the last attempt's error or nil.
func giveUp(id sdk.WriteID, executed bool, last, cause error) error {
	detail := cause
	if last != nil && last != cause {
		detail = &because{text: fmt.Sprintf("%v (last attempt: %v)", cause, last), err: cause}
	}
	switch {
	case executed:
		return unknown(id, detail)
	case sdk.CodeOf(cause) != 0:
		return detail // ErrUnavailable, ErrClosed, ErrIncompatible of the route
	}
	return fmt.Errorf("%w: no primary took the call in time: %w", sdk.ErrUnavailable, detail)
}

// unknown gives id to an error whose outcome is unknown, once. The cause may not
// match an error that says "not applied": a caller who tests for that first would
// be misled.
func unknown(id sdk.WriteID, cause error) error {
	if u, ok := cause.(*sdk.OutcomeUnknownError); ok {
		cause = u.Cause
	}
	if cause != nil {
		for _, certain := range []error{sdk.ErrUnavailable, sdk.ErrNotPrimary, sdk.ErrFenced, sdk.ErrTxLost, sdk.ErrReadOnly} {
			if errors.Is(cause, certain) {
				cause = opaque(cause)
				break
			}
		}
	}
	return &sdk.OutcomeUnknownError{ID: id, Cause: cause}
}

// opaque keeps the text of err and of what it matches only ctx's errors.
func opaque(err error) error {
	for _, ctxErr := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, ctxErr) {
			return &because{text: err.Error(), err: ctxErr}
		}
	}
	return errors.New(err.Error())
}

// because is a text of its own over a cause.
type because struct {
	text string
	err  error
}

func (b *because) Error() string { return b.text }
func (b *because) Unwrap() error { return b.err }
