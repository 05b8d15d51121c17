package forward

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// slice bounds one attempt of a group to get the database. A program outside
// ramet may hold SQLite's write lock for minutes; between two attempts the
// requests whose callers gave up leave the group, certain that nothing happened.
const slice = 250 * time.Millisecond

// applyTurn commits the requests of one turn and answers each.
func (w *Writer) applyTurn(turn []*item) {
	for len(turn) > 0 {
		turn = w.dropSettled(turn)
		group := distinct(turn)
		if len(group) == 0 {
			return
		}
		if w.applyGroup(group) {
			turn = turn[len(group):]
		}
	}
}

// dropSettled answers the requests that need no execution: the caller is gone,
// or the write was declared not applied before.
func (w *Writer) dropSettled(turn []*item) []*item {
	kept := turn[:0]
	for _, it := range turn {
		if err := it.ctx.Err(); err != nil {
			it.done <- answer{err: waited(err)}
		} else if err := w.verdicts.of(it.req.ID); err != nil {
			it.done <- answer{result: sdk.Result{Err: err}}
		} else {
			kept = append(kept, it)
		}
	}
	return kept
}

// distinct returns the longest prefix that names no write twice: the second copy
// must see what became of the first.
func distinct(turn []*item) []*item {
	for i, it := range turn {
		if it.req.ID.Sequence == 0 {
			continue
		}
		for _, before := range turn[:i] {
			if before.req.ID.Sequence == it.req.ID.Sequence && before.req.ID == it.req.ID {
				return turn[:i]
			}
		}
	}
	return turn
}

// applyGroup hands group to the store once and reports whether it is answered.
func (w *Writer) applyGroup(group []*item) bool {
	requests := make([]sdk.Request, len(group))
	for i, it := range group {
		requests[i] = it.req
	}
	ctx, cancel := w.attempt(group)
	results, err := w.db.Apply(ctx, w.epoch, requests)
	late := ctx.Err() != nil
	cancel()
	if err == nil && len(results) != len(group) {
		err = &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%w: the store answered %d of %d requests", sdk.ErrInternal, len(results), len(group))}
	}
	switch {
	case err == nil:
		w.answerGroup(group, results)
	case late && errors.Is(err, sdk.ErrUnavailable) && w.ctx.Err() == nil:
		return false // it waited for the database only: try again without those who left
	default:
		w.refuseGroup(group, err)
	}
	return true
}

// attempt bounds one Apply by the slice and by the first deadline in group. No
// caller's cancellation reaches it: that would hit the neighbours.
func (w *Writer) attempt(group []*item) (context.Context, context.CancelFunc) {
	end := time.Now().Add(slice)
	for _, it := range group {
		if d, ok := it.ctx.Deadline(); ok && d.Before(end) {
			end = d
		}
	}
	return context.WithDeadline(w.ctx, end)
}

func (w *Writer) answerGroup(group []*item, results []sdk.Result) {
	var newest sdk.Position
	for i, it := range group {
		r := results[i]
		if r.Err != nil && sdk.CodeOf(r.Err) == 0 {
			w.verdicts.add(it.req.ID, r.Err)
		}
		if r.Err == nil && !r.Replayed && r.Position.Row > newest.Row {
			newest = r.Position
		}
		it.done <- answer{result: r}
	}
	if newest.Row > 0 {
		w.o.Committed(newest)
	}
}

// refuseGroup answers an error of Apply, which concerns all.
func (w *Writer) refuseGroup(group []*item, err error) {
	stopping := w.ctx.Err() != nil
	fatal := !harmless(err)
	if fatal {
		w.fail(err) // before the answers, so that no caller's retry comes back here
	}
	for _, it := range group {
		own := err
		switch {
		case errors.Is(err, sdk.ErrOutcomeUnknown):
			own = unknown(it.req.ID, err)
		case stopping && !fatal:
			own = w.stepped()
		}
		it.done <- answer{err: own}
	}
}

// harmless reports whether the store can be written after err.
func harmless(err error) bool {
	if errors.Is(err, sdk.ErrOutcomeUnknown) || errors.Is(err, sdk.ErrFenced) {
		return false
	}
	return errors.Is(err, sdk.ErrUnavailable) || errors.Is(err, sdk.ErrInvalid) || errors.Is(err, sdk.ErrUnsupported)
}

// lookUp asks the store what became of a write. The caller's deadline is kept
// from the store: a store that ran out of time answers ErrUnavailable, which here
// means "not applied".
func (w *Writer) lookUp(it *item) answer {
	if err := it.ctx.Err(); err != nil {
		return answer{err: waited(err)}
	}
	id := it.req.ID
	if w.verdicts.of(id) != nil {
		return answer{}
	}
	res, err := w.db.Outcome(w.ctx, w.epoch, id)
	var sql *sdk.SQLError
	switch {
	case err == nil:
		return answer{result: res, applied: true}
	case errors.Is(err, sdk.ErrResultGone):
		return answer{applied: true, err: err}
	case w.ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return answer{err: w.stepped()}
	case errors.As(err, &sql): // it could not look
	case errors.Is(err, sdk.ErrUnavailable):
		w.verdicts.add(id, notApplied(id))
		return answer{}
	case errors.Is(err, sdk.ErrFenced):
		w.fail(err)
	}
	return answer{err: err}
}
