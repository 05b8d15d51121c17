package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
	engine "modernc.org/sqlite"
)

// Apply implements sdk.DB. All requests share one transaction; one that makes
// the engine roll it back gets its error, and the others run again without it.
func (d *db) Apply(ctx context.Context, epoch uint64, requests []sdk.Request) ([]sdk.Result, error) {
	if err := d.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer d.giveTurn()
	results := make([]sdk.Result, len(requests))
	live := make([]int, len(requests))
	for i := range live {
		live[i] = i
	}
	for len(live) > 0 {
		spoiler, err := d.applyGroup(ctx, epoch, requests, live, results)
		if errors.Is(err, errTogether) {
			return results, d.applyEach(ctx, epoch, requests, live, results)
		}
		if err != nil {
			return nil, err
		}
		if spoiler < 0 {
			break
		}
		live = append(live[:spoiler], live[spoiler+1:]...)
	}
	return results, nil
}

// errTogether says that the members of a group cannot be committed together.
var errTogether = errors.New("commit each by itself")

// applyEach is the way out when a COMMIT fails for a constraint and it is not
// known whose.
func (d *db) applyEach(ctx context.Context, epoch uint64, requests []sdk.Request, live []int, results []sdk.Result) error {
	for n, i := range live {
		if _, err := d.applyGroup(ctx, epoch, requests, []int{i}, results); err != nil {
			if n > 0 && !errors.Is(err, sdk.ErrFenced) {
				return &sdk.OutcomeUnknownError{Cause: err} // some are applied
			}
			return err
		}
	}
	return nil
}

// group is one transaction of Apply.
type group struct {
	d       *db
	epoch   uint64
	now     int64
	alone   bool // one request: the transaction is its savepoint
	undone  bool // and it was rolled back
	newest  uint64
	senders map[string]sender // changed by this group
}

// applyGroup runs the requests that live names in one transaction. It returns
// the index in live of one that ended the transaction, so that nothing was
// applied, or -1.
func (d *db) applyGroup(ctx context.Context, epoch uint64, requests []sdk.Request, live []int, results []sdk.Result) (int, error) {
	if err := d.w.begin(ctx); err != nil {
		return -1, err
	}
	if err := d.w.checkEpoch(epoch); err != nil {
		d.w.rollback()
		return -1, openError(d.path, err)
	}
	g := group{d: d, epoch: epoch, now: time.Now().Unix(), alone: len(live) == 1, newest: d.newest}
	for n, i := range live {
		r, err := g.request(requests[i])
		if err != nil {
			d.w.rollback()
			return -1, unavailable("the write was undone", err)
		}
		results[i] = r
		if d.w.ended {
			d.w.rollback()
			return n, nil
		}
	}
	if g.undone {
		return -1, nil
	}
	err := g.commit()
	if g.alone && codeOf(err) == codeForeignKey { // nothing was applied, and it is this request's fault
		d.w.rollback()
		results[live[0]] = sdk.Result{Err: sqlError(err)}
		return -1, nil
	}
	return -1, err
}

// commit stores the floors and commits.
func (g *group) commit() error {
	d := g.d
	s := d.state
	err := g.storeFloors()
	if err == nil {
		s.newest = g.newest
		s, err = d.w.trim(s, uint64(d.options.ChangeRetention))
	}
	if err != nil {
		d.w.rollback()
		return unavailable("the write was undone", err)
	}
	switch err := d.w.exec("COMMIT"); {
	case err == nil:
		d.state = s
		g.keepSenders()
		return nil
	case codeOf(err) == codeForeignKey && g.alone:
		return err
	case codeOf(err)&0xff == codeConstraint && !g.alone:
		d.w.rollback()
		return errTogether
	default:
		return d.unknown(sdk.WriteID{}, err)
	}
}

// request runs one request. Its own faults are in the result; an error concerns
// the whole group.
func (g *group) request(r sdk.Request) (sdk.Result, error) {
	c := g.d.w
	if r.Lineage != "" && r.Lineage != g.d.lineage {
		cause := fmt.Errorf("it was meant for lineage %s, the store is now %s", r.Lineage, g.d.lineage)
		return sdk.Result{Err: &sdk.OutcomeUnknownError{ID: r.ID, Cause: cause}}, nil
	}
	if r.ID != (sdk.WriteID{}) {
		if old, done, err := g.replayed(r); done || err != nil {
			return old, err
		}
	}
	if !g.alone {
		if err := c.exec("SAVEPOINT ramet"); err != nil {
			return sdk.Result{}, err
		}
	}
	last := g.newest
	res, err := g.run(r)
	if err == nil {
		if !g.alone {
			err = c.exec("RELEASE ramet")
		}
		return res, err
	}
	g.newest = last
	c.capture.rows = c.capture.rows[:0]
	if isFatal(err) {
		return sdk.Result{}, err
	}
	return sdk.Result{Err: sqlError(err)}, g.undo()
}

// undo takes back one request, if the engine did not do so already.
func (g *group) undo() error {
	c := g.d.w
	switch {
	case c.ended && g.alone:
		g.undone = true
		return nil
	case c.ended:
		return nil
	case g.alone:
		c.rollback()
		g.undone, c.ended = true, false
		return nil
	}
	if err := c.exec("ROLLBACK TO ramet"); err != nil {
		return err
	}
	return c.exec("RELEASE ramet")
}

// permitRequest refuses what a request may not hold.
func permitRequest(u usage) error {
	switch {
	case u.refused != "":
		return refusal(u)
	case u.control || u.savepoint != "":
		return fmt.Errorf("%w: a request is a transaction by itself; leave BEGIN, COMMIT, ROLLBACK and SAVEPOINT out, or use Begin", sdk.ErrInvalid)
	}
	return nil
}

// run executes the statements and records the write.
func (g *group) run(r sdk.Request) (sdk.Result, error) {
	c := g.d.w
	c.capture.on = g.d.options.ChangeLog
	var o, next outcome
	var err error
	for _, st := range r.Statements {
		if next, err = c.script(context.Background(), st, permitRequest); err != nil {
			break
		}
		o = next.after(o)
	}
	c.capture.on = false
	if err == nil && !c.ended {
		err = c.checkDeferred()
	}
	if err != nil {
		return sdk.Result{}, err
	}
	return g.d.finish(c, r, o, g)
}

// checkDeferred fails the request whose foreign keys are not resolved, which
// COMMIT would hold against the whole group. See
// https://www.sqlite.org/c3ref/c_dbstatus_options.html, DEFERRED_FKS.
func (c *conn) checkDeferred() error {
	// Look before switching it off, which forgets what it deferred.
	open, _, err := c.raw.Status(engine.DBStatusDeferredFKs, false)
	if c.deferFK {
		c.deferFK = false
		if err := c.pragma(sdk.Setting{Name: "defer_foreign_keys"}); err != nil {
			return err
		}
	}
	if err == nil && open != 0 {
		return &sdk.SQLError{Extended: codeForeignKey, Text: "constraint failed: FOREIGN KEY constraint failed (787)"}
	}
	return err
}

// finish writes the changes and the write id's row, in the request's transaction.
func (d *db) finish(c *conn, r sdk.Request, o outcome, g *group) (sdk.Result, error) {
	res := sdk.Result{RowsAffected: o.affected, LastInsertID: o.lastID, Columns: o.columns, Rows: o.rows}
	newest, err := c.record(g.epoch, g.newest)
	if err != nil {
		return sdk.Result{}, err
	}
	if newest != g.newest {
		g.newest = newest
		res.Position = sdk.Position{Lineage: d.lineage, Row: newest}
	}
	if r.ID != (sdk.WriteID{}) {
		err = g.store(r.ID, res)
	}
	return res, err
}

const (
	sqlTrimChanges = `DELETE FROM ramet_changes WHERE pos <= ?`
	sqlTrimmed     = `UPDATE ramet_meta SET trimmed = ? WHERE id = 1`
	sqlFirstChange = `SELECT coalesce(min(pos) - 1, 0) FROM ramet_changes`

	trimStep = 2048 // changes deleted with one commit at most
)

// trim deletes the oldest changes beyond retention, a few with one commit, and
// only when there are enough of them to be worth it.
func (c *conn) trim(s state, retention uint64) (state, error) {
	limit := s.trimmed
	if s.newest > retention {
		limit = max(limit, s.newest-retention)
	}
	if limit < s.swept+1+min(256, retention/10) {
		return s, nil
	}
	s.swept = min(limit, s.swept+trimStep)
	if err := c.exec(sqlTrimChanges, int64(s.swept)); err != nil {
		return s, err
	}
	if s.swept > s.trimmed {
		s.trimmed = s.swept
		return s, c.exec(sqlTrimmed, int64(s.trimmed))
	}
	return s, nil
}
