package sqlroute

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// rollbackTimeout bounds a rollback, which no caller's context may prevent: it
// gives the writer back. If it does not get through, the idle limit does.
const rollbackTimeout = 5 * time.Second

// origin is what began a transaction, and so what may end it.
type origin uint8

const (
	originGo origin = iota
	originText
	originSavepoint
)

// transaction is the open transaction of a session.
type transaction struct {
	tx         sdk.Tx
	origin     origin
	readOnly   bool
	savepoints []string           // open ones, the outermost first
	rows       map[*rows]struct{} // not read to their end yet; nil: never any
}

// own takes note of rows that must be freed before the transaction ends.
func (t *transaction) own(r *rows) {
	if t.rows == nil {
		t.rows = make(map[*rows]struct{})
	}
	r.tx = t
	t.rows[r] = struct{}{}
}

// freeRows ends the reads of the transaction. database/sql does so for a sql.Tx; a
// transaction that ends by text may have rows open.
func (t *transaction) freeRows() {
	for r := range t.rows {
		// An error here would be one of reading what nobody will read.
		_ = r.free()
		r.gone = true
	}
}

// exec runs s, and returns the statement's error also when it is in the result.
func (t *transaction) exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	r, err := t.tx.Exec(ctx, s)
	if err == nil {
		err = r.Err
	}
	return r, safe(err)
}

// begin starts a transaction.
func (c *conn) begin(ctx context.Context, readOnly bool, o origin) error {
	if c.tx != nil {
		return engineError("cannot start a transaction within a transaction")
	}
	tx, err := c.b.Begin(ctx, sdk.TxOptions{ReadOnly: readOnly, Settings: c.session.own()})
	if err != nil {
		return safe(err)
	}
	c.tx = &transaction{tx: tx, origin: o, readOnly: readOnly}
	return nil
}

// commit ends the transaction. With keep it stays open if a constraint prevented
// the commit, as in SQLite; else it is over whatever happened, as database/sql
// expects.
func (c *conn) commit(ctx context.Context, keep bool) error {
	c.tx.freeRows()
	r, err := c.tx.tx.Commit(ctx, sdk.Request{})
	if err == nil {
		err = r.Err
	}
	var sqlError *sdk.SQLError
	if err != nil && keep && errors.As(err, &sqlError) {
		return safe(err)
	}
	if err != nil {
		// Idempotent; the commit's error is the one that counts.
		_ = c.rollback(ctx)
	}
	c.tx = nil
	return safe(err)
}

// rollback ends the transaction without effect, also when ctx is over. The
// session has none afterwards, even on error.
func (c *conn) rollback(ctx context.Context) error {
	t := c.tx
	c.tx = nil
	t.freeRows()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	err := t.tx.Rollback(ctx)
	if errors.Is(err, sdk.ErrTxLost) {
		return nil // it is over and nothing was applied: what was asked for
	}
	return safe(err)
}

// BeginTx starts a transaction. For writing it waits for the writer until ctx ends.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	level := sql.IsolationLevel(o.Isolation)
	if level < sql.LevelDefault || level > sql.LevelLinearizable || (level == sql.LevelLinearizable && o.ReadOnly) {
		return nil, fmt.Errorf("%w: isolation level %v, read-only %t; the default is serializable", sdk.ErrUnsupported, level, o.ReadOnly)
	}
	if err := c.begin(ctx, o.ReadOnly, originGo); err != nil {
		return nil, err
	}
	return &goTx{c: c, t: c.tx, ctx: ctx}, nil
}

// goTx is a transaction begun by BeginTx.
type goTx struct {
	c *conn
	t *transaction
	// ctx is BeginTx's, which database/sql documents as in use until the end of the
	// transaction; driver.Tx has no other way to bound Commit.
	ctx context.Context
}

// Commit commits; the transaction is over also when it fails.
func (t *goTx) Commit() error {
	if t.c.tx != t.t {
		return sql.ErrTxDone
	}
	return t.c.commit(t.ctx, false)
}

// Rollback ends the transaction without effect.
func (t *goTx) Rollback() error {
	if t.c.tx != t.t {
		return sql.ErrTxDone
	}
	return t.c.rollback(t.ctx)
}
