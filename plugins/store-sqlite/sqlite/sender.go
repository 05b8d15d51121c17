package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// sender is what the store knows of one incarnation's writes. Every sequence at
// or below floor is answered; above top none was applied.
type sender struct {
	floor, top uint64
	raised     bool // floor is not stored yet
}

// maxSenders bounds what is remembered; the tables have the rest.
const maxSenders = 10_000

const (
	sqlFloor     = `SELECT floor FROM ramet_floors WHERE incarnation = ?`
	sqlTop       = `SELECT coalesce(max(seq), 0) FROM ramet_writes WHERE incarnation = ?`
	sqlResult    = `SELECT result FROM ramet_writes WHERE incarnation = ? AND seq = ?`
	sqlAddWrite  = `INSERT INTO ramet_writes VALUES (?, ?, ?, ?, ?)`
	sqlSetFloor  = `INSERT INTO ramet_floors VALUES (?, ?, ?) ON CONFLICT (incarnation) DO UPDATE SET floor = excluded.floor, touched = excluded.touched`
	sqlDelWrites = `DELETE FROM ramet_writes WHERE incarnation = ? AND seq <= ?`
)

func (c *conn) loadSender(incarnation string) (sender, error) {
	var s sender
	var v [1]driver.Value
	found, err := c.row(v[:], sqlFloor, incarnation)
	if err != nil {
		return s, err
	}
	if found {
		s.floor = uint64(toInt(v[0]))
	}
	if _, err := c.row(v[:], sqlTop, incarnation); err != nil {
		return s, err
	}
	s.top = max(s.floor, uint64(toInt(v[0])))
	return s, nil
}

func (g *group) sender(incarnation string) (sender, error) {
	if s, ok := g.senders[incarnation]; ok {
		return s, nil
	}
	if s, ok := g.d.senders[incarnation]; ok {
		return s, nil
	}
	return g.d.w.loadSender(incarnation)
}

func (g *group) setSender(incarnation string, s sender) {
	if g.senders == nil {
		g.senders = map[string]sender{}
	}
	g.senders[incarnation] = s
}

// replayed answers a request that was applied before, and takes note of its
// floor otherwise.
func (g *group) replayed(r sdk.Request) (sdk.Result, bool, error) {
	if r.ID.Incarnation == "" || r.ID.Sequence == 0 || r.ID.Sequence > 1<<63-1 || r.Floor >= r.ID.Sequence {
		err := fmt.Errorf("%w: write id %s/%d with floor %d; sequences start at 1 and lie above the floor",
			sdk.ErrInvalid, r.ID.Incarnation, r.ID.Sequence, r.Floor)
		return sdk.Result{Err: err}, true, nil
	}
	s, err := g.sender(r.ID.Incarnation)
	if err != nil {
		return sdk.Result{}, false, err
	}
	if r.ID.Sequence <= s.floor {
		return sdk.Result{Err: gone(r.ID), Replayed: true}, true, nil
	}
	if r.ID.Sequence <= s.top {
		var v [1]driver.Value
		found, err := g.d.w.row(v[:], sqlResult, r.ID.Incarnation, int64(r.ID.Sequence))
		if err != nil {
			return sdk.Result{}, false, err
		}
		if found {
			return decodeResult(v[0], g.d.lineage, r.ID), true, nil
		}
	}
	if r.Floor > s.floor {
		s.floor, s.raised, s.top = r.Floor, true, max(s.top, r.Floor)
	}
	g.setSender(r.ID.Incarnation, s)
	return sdk.Result{}, false, nil
}

func gone(id sdk.WriteID) error {
	return fmt.Errorf("%w: write %s/%d; do not run it again", sdk.ErrResultGone, id.Incarnation, id.Sequence)
}

// store inserts the write id's row.
func (g *group) store(id sdk.WriteID, res sdk.Result) error {
	s, err := g.sender(id.Incarnation)
	if err != nil {
		return err
	}
	if err := g.d.w.exec(sqlAddWrite, id.Incarnation, int64(id.Sequence), int64(g.epoch), encodeResult(res), g.now); err != nil {
		return err
	}
	s.top = max(s.top, id.Sequence)
	g.setSender(id.Incarnation, s)
	return nil
}

// storeFloors stores each raised floor once for the whole group and deletes the
// rows that it makes useless.
func (g *group) storeFloors() error {
	for incarnation, s := range g.senders {
		if !s.raised {
			continue
		}
		if err := g.d.w.exec(sqlSetFloor, incarnation, int64(s.floor), g.now); err != nil {
			return err
		}
		if err := g.d.w.exec(sqlDelWrites, incarnation, int64(s.floor)); err != nil {
			return err
		}
		s.raised = false
		g.senders[incarnation] = s
	}
	return nil
}

// keepSenders remembers, after COMMIT, what the group learnt.
func (g *group) keepSenders() {
	if g.d.senders == nil || len(g.d.senders) > maxSenders {
		g.d.senders = map[string]sender{}
	}
	for incarnation, s := range g.senders {
		g.d.senders[incarnation] = s
	}
}

// Outcome implements sdk.DB.
func (d *db) Outcome(ctx context.Context, epoch uint64, id sdk.WriteID) (sdk.Result, error) {
	if err := d.gate.enter(); err != nil {
		return sdk.Result{}, err
	}
	defer d.gate.leave()
	var res sdk.Result
	err := d.read(ctx, func(c *conn) (err error) {
		if err := c.checkEpoch(epoch); err != nil {
			return err
		}
		res, err = c.outcome(id)
		return err
	})
	return res, err
}

func (c *conn) outcome(id sdk.WriteID) (sdk.Result, error) {
	m, err := c.readMeta()
	if err != nil {
		return sdk.Result{}, err
	}
	s, err := c.loadSender(id.Incarnation)
	if err != nil {
		return sdk.Result{}, err
	}
	if id.Sequence <= s.floor {
		return sdk.Result{}, gone(id)
	}
	var v [1]driver.Value
	found, err := c.row(v[:], sqlResult, id.Incarnation, int64(id.Sequence))
	if err != nil {
		return sdk.Result{}, err
	}
	if !found {
		return sdk.Result{}, fmt.Errorf("%w: write %s/%d was not applied", sdk.ErrUnavailable, id.Incarnation, id.Sequence)
	}
	res := decodeResult(v[0], m.lineage, id)
	return res, res.Err
}

// sweptTo returns the position up to which no change is left.
func (c *conn) sweptTo() (uint64, error) {
	var v [1]driver.Value
	_, err := c.row(v[:], sqlFirstChange)
	return uint64(toInt(v[0])), err
}
