package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Commit implements sdk.Tx.
func (t *tx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return sdk.Result{}, err
	}
	t.closeRows()
	if t.readOnly {
		err := t.c.exec("COMMIT")
		t.end(err != nil)
		return sdk.Result{}, sqlError(err)
	}
	return t.commit(r)
}

// commit records the write and the changes just before COMMIT. Foreign keys are
// looked at first, while nothing is recorded, so that the transaction can go on.
func (t *tx) commit(r sdk.Request) (sdk.Result, error) {
	if err := t.c.checkDeferred(); err != nil {
		return sdk.Result{}, sqlError(err)
	}
	d := t.d
	g := group{d: d, epoch: t.epoch, now: time.Now().Unix(), alone: true, newest: d.newest}
	t.c.capture.on = false
	changed := t.c.capture.rows // record takes them
	var res sdk.Result
	err := t.c.exec("SAVEPOINT ramet")
	if err == nil {
		res, err = t.record(&g, r)
	}
	s := d.state
	if err == nil {
		s.newest = g.newest
		s, err = t.c.trim(s, uint64(d.options.ChangeRetention))
	}
	if err != nil {
		t.c.rollback()
		t.end(false)
		return sdk.Result{}, commitLost(err)
	}
	switch err := t.c.exec("COMMIT"); {
	case err == nil:
		d.state = s
		g.keepSenders()
		t.end(false)
		return res, nil
	case codeOf(err) == codeForeignKey:
		return sdk.Result{}, t.reopen(changed, err)
	case codeOf(err)&0xff == codeConstraint:
		t.c.rollback()
		t.end(false)
		return sdk.Result{}, commitLost(err)
	default:
		err = d.unknown(r.ID, err)
		t.end(false)
		return sdk.Result{}, err
	}
}

// reopen takes back what was recorded for a COMMIT that a constraint prevented: the
// engine's count of open keys, which is asked before, can miss one that COMMIT sees.
func (t *tx) reopen(changed []captured, cause error) error {
	err := t.c.exec("ROLLBACK TO ramet")
	if err == nil {
		err = t.c.exec("RELEASE ramet")
	}
	if err != nil {
		t.c.rollback()
		t.end(false)
		return commitLost(cause)
	}
	t.c.capture.on, t.c.capture.rows = t.d.options.ChangeLog, changed
	return sqlError(cause)
}

// commitLost is the error of a COMMIT after which nothing is left of the
// transaction. One that the engine found fault with must not look like a
// constraint, which would leave it open.
func commitLost(err error) error {
	if codeOf(err) == 0 {
		return sqlError(err)
	}
	return fmt.Errorf("%w: %v; run it again", sdk.ErrTxLost, err)
}

// record writes the changes, the write id's row and the floor.
func (t *tx) record(g *group, r sdk.Request) (sdk.Result, error) {
	if r.Lineage != "" && r.Lineage != t.d.lineage {
		return sdk.Result{}, fmt.Errorf("%w: it was meant for lineage %s, the store is now %s", sdk.ErrTxLost, r.Lineage, t.d.lineage)
	}
	if r.ID != (sdk.WriteID{}) {
		if old, done, err := g.replayed(r); err != nil {
			return sdk.Result{}, err
		} else if done {
			return sdk.Result{}, errors.Join(fmt.Errorf("%w: write %s/%d was used before", sdk.ErrInvalid, r.ID.Incarnation, r.ID.Sequence), old.Err)
		}
	}
	res, err := t.d.finish(t.c, r, outcome{lastID: t.last}, g)
	if err == nil {
		err = g.storeFloors()
	}
	return res, err
}
