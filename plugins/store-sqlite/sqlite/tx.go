package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// Begin implements sdk.DB.
func (d *db) Begin(ctx context.Context, epoch uint64, o sdk.TxOptions) (sdk.Tx, error) {
	if o.ReadOnly {
		return d.beginRead(ctx)
	}
	if err := d.takeTurn(ctx); err != nil {
		return nil, err
	}
	if err := d.beginWrite(ctx, epoch, o.Settings); err != nil {
		d.giveTurn()
		return nil, err
	}
	d.w.capture.on = d.options.ChangeLog
	t := &tx{d: d, c: d.w, epoch: epoch, settings: o.Settings, open: map[closer]struct{}{}}
	d.opened(t)
	d.gate.leave() // an open transaction must not keep Close waiting: Close ends it
	return t, nil
}

func (d *db) beginWrite(ctx context.Context, epoch uint64, settings []sdk.Setting) error {
	if err := d.set(settings); err != nil {
		return err
	}
	err := d.w.begin(ctx)
	if err == nil {
		if err = d.w.checkEpoch(epoch); err != nil {
			d.w.rollback()
			err = openError(d.path, err)
		}
	}
	if err != nil {
		d.unset(settings)
	}
	return err
}

func (d *db) beginRead(ctx context.Context) (sdk.Tx, error) {
	if err := d.gate.enter(); err != nil {
		return nil, err
	}
	defer d.gate.leave()
	c, err := d.readers.get(ctx)
	if err != nil {
		return nil, openError(d.path, err)
	}
	c.ended = false
	err = retry(ctx, func() error {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		_, err := c.epoch() // the first read takes the snapshot
		if err != nil {
			_ = c.exec("ROLLBACK") // the read's error counts
		}
		return err
	})
	if err != nil {
		d.readers.put(c, true)
		return nil, openError(d.path, err)
	}
	t := &tx{d: d, c: c, readOnly: true, open: map[closer]struct{}{}}
	d.opened(t)
	return t, nil
}

// tx implements sdk.Tx. The mutex is for Close of the handle, which may meet a
// call: everything else comes from one goroutine.
type tx struct {
	d        *db
	c        *conn
	epoch    uint64
	readOnly bool
	settings []sdk.Setting // to take back at the end

	mu    sync.Mutex
	over  bool // committed or rolled back by the caller
	lost  error
	marks []mark // savepoints that are open
	last  int64  // row id of the last INSERT

	openMu sync.Mutex
	open   map[closer]struct{} // rows not closed yet; guarded by openMu
}

// mark is a savepoint and how many changes were captured before it.
type mark struct {
	name string
	rows int
}

func (t *tx) opened(c closer) {
	t.openMu.Lock()
	t.open[c] = struct{}{}
	t.openMu.Unlock()
}

func (t *tx) ended(c closer) {
	t.openMu.Lock()
	delete(t.open, c)
	t.openMu.Unlock()
}

// usable says why the transaction takes no more calls. The caller holds t.mu.
func (t *tx) usable(ctx context.Context) error {
	switch {
	case t.lost != nil:
		return t.lost
	case t.over:
		return fmt.Errorf("%w: the transaction was committed or rolled back", sdk.ErrClosed)
	}
	return ctx.Err()
}

// permit refuses what may not run inside this transaction.
func (t *tx) permit(u usage) error {
	switch {
	case u.refused != "":
		return refusal(u)
	case u.control:
		return fmt.Errorf("%w: end an interactive transaction with its Commit or Rollback, not with SQL", sdk.ErrInvalid)
	case u.writes && t.readOnly:
		return fmt.Errorf("%w: the transaction was begun read-only", sdk.ErrReadOnly)
	}
	return nil
}

// Exec implements sdk.Tx.
func (t *tx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return sdk.Result{}, err
	}
	var o outcome
	for _, part := range split(s.SQL) {
		next, err := t.part(ctx, part, s)
		if err != nil {
			return sdk.Result{}, err
		}
		o = next.after(o)
	}
	return sdk.Result{RowsAffected: o.affected, LastInsertID: t.last, Columns: o.columns, Rows: o.rows}, nil
}

// part runs one statement and keeps the captured changes in step with what the
// engine kept.
func (t *tx) part(ctx context.Context, part string, s sdk.Statement) (outcome, error) {
	before := len(t.c.capture.rows)
	cs, err := t.c.compile(ctx, part)
	if err != nil {
		return outcome{}, err
	}
	defer t.c.release(cs)
	if err := t.permit(cs.uses); err != nil {
		return outcome{}, err
	}
	o, err := t.c.run(ctx, cs, s)
	if err == nil {
		if t.savepoint(cs.uses); o.lastID != 0 {
			t.last = o.lastID
		}
		return o, nil
	}
	if !keepsPartly(part) {
		t.c.capture.rows = t.c.capture.rows[:min(before, len(t.c.capture.rows))]
	}
	if cs.uses.writes && ctx.Err() != nil {
		// Interrupted: whether the statement had effect is not known, so none may.
		t.lose(fmt.Errorf("%w: it was interrupted in a write: %w; run it again", sdk.ErrTxLost, ctx.Err()))
		return outcome{}, t.lost
	}
	err = sqlError(err)
	if t.c.ended {
		t.lose(fmt.Errorf("%w: the database rolled it back: %v; run it again", sdk.ErrTxLost, err))
	}
	return outcome{}, err
}

// keepsPartly says whether a failing statement may keep the rows it changed
// before: ON CONFLICT FAIL does. A change too many is better than one too few.
func keepsPartly(part string) bool {
	for i := 0; i < len(part); {
		kind, next := nextToken(part, i)
		if kind == tokenWord && len(part[i:next]) == 4 && (part[i]|0x20) == 'f' && firstWord(part[i:next]) == "fail" {
			return true
		}
		i = next
	}
	return false
}

// savepoint follows SAVEPOINT, RELEASE and ROLLBACK TO. See
// https://www.sqlite.org/lang_savepoint.html: names need not be unique.
func (t *tx) savepoint(u usage) {
	if u.savepoint == "" {
		return
	}
	if u.savepoint == "BEGIN" {
		t.marks = append(t.marks, mark{u.name, len(t.c.capture.rows)})
		return
	}
	for i := len(t.marks) - 1; i >= 0; i-- {
		if !strings.EqualFold(t.marks[i].name, u.name) {
			continue
		}
		if u.savepoint == "RELEASE" {
			t.marks = t.marks[:i]
			return
		}
		t.c.capture.rows = t.c.capture.rows[:t.marks[i].rows]
		t.marks = t.marks[:i+1]
		return
	}
}

// Query implements sdk.Tx. A text that writes is run to its end first.
func (t *tx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	parts := split(s.SQL)
	if len(parts) == 0 {
		return &rows{first: sdk.Block{Last: true}}, nil
	}
	for _, part := range parts[:len(parts)-1] {
		if _, err := t.part(ctx, part, sdk.Statement{SQL: part, Args: s.Args}); err != nil {
			return nil, err
		}
	}
	return t.queryLast(ctx, parts[len(parts)-1], s)
}

func (t *tx) queryLast(ctx context.Context, part string, s sdk.Statement) (sdk.Rows, error) {
	r, err := t.c.query(ctx, sdk.Statement{SQL: part, Args: s.Args}, t.permitQuery)
	if errors.Is(err, errWrites) {
		o, err := t.part(ctx, part, sdk.Statement{SQL: part, Args: s.Args, WantRows: true})
		if err != nil {
			return nil, err
		}
		return &rows{columns: o.columns, first: sdk.Block{Rows: o.rows, Last: true}}, nil
	}
	if err != nil {
		return nil, sqlError(err)
	}
	if r.rest != nil {
		r.rest.owner = t
		t.opened(r)
	}
	return r, nil
}

// errWrites says that a text given to Query has to be run as a write.
var errWrites = errors.New("the text writes")

func (t *tx) permitQuery(u usage) error {
	if err := t.permit(u); err != nil {
		return err
	}
	if u.writes || u.savepoint != "" {
		return errWrites
	}
	return nil
}

// Rollback implements sdk.Tx.
func (t *tx) Rollback(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop()
	return nil
}

// abandon ends the transaction when the handle is closed.
func (t *tx) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && t.lost == nil {
		t.lose(fmt.Errorf("%w: the database was closed; run it again", sdk.ErrTxLost))
	}
}

// lose ends the transaction for a reason that later calls repeat.
func (t *tx) lose(why error) {
	t.stop()
	t.lost = why
}

// stop rolls back, unless it is over.
func (t *tx) stop() {
	if t.over {
		return
	}
	t.closeRows()
	t.c.rollback()
	t.end(false)
}

func (t *tx) closeRows() {
	t.openMu.Lock()
	left := make([]closer, 0, len(t.open))
	for c := range t.open {
		left = append(left, c)
	}
	t.openMu.Unlock()
	for _, c := range left {
		c.abandon()
	}
}

// end gives the connection back. bad: its state is not known.
func (t *tx) end(bad bool) {
	t.over = true
	t.d.ended(t)
	if t.readOnly {
		t.d.readers.put(t.c, bad)
		return
	}
	t.c.capture.on, t.c.capture.rows = false, t.c.capture.rows[:0]
	t.c.deferFK = false
	t.d.unset(t.settings)
	<-t.d.turn
}

var _ sdk.Tx = (*tx)(nil)
