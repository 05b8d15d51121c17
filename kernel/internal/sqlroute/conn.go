package sqlroute

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// conn is a session. database/sql uses it from one goroutine at a time, its rows
// and statements included.
type conn struct {
	b       Backend
	plans   map[string]*plan
	session session
	tx      *transaction // nil: none is open
	closed  bool
}

var (
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// usable is asked before anything is sent.
func (c *conn) usable(ctx context.Context) error {
	if c.closed {
		return errClosed()
	}
	return ctx.Err()
}

// ExecContext runs a text.
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	p, err := c.plan(ctx, text)
	if err != nil {
		return nil, err
	}
	return c.exec(ctx, p, text, args)
}

// QueryContext runs a text and serves its rows.
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	p, err := c.plan(ctx, text)
	if err != nil {
		return nil, err
	}
	return c.query(ctx, p, text, args)
}

// exec runs a text whose plan is known.
func (c *conn) exec(ctx context.Context, p *plan, text string, args []driver.NamedValue) (driver.Result, error) {
	switch {
	case c.oneByOne(p):
		return c.execScript(ctx, p, p.script, args)
	case p.control.verb != verbNone:
		return result{lastInsertID: c.session.lastInsertID}, c.run(ctx, p.control)
	case p.setting.name != "":
		_, err := c.setting(p.setting)
		return result{lastInsertID: c.session.lastInsertID}, err
	case p.here():
		return result{lastInsertID: c.session.lastInsertID}, nil
	}
	if err := c.allowed(p); err != nil {
		return nil, err
	}
	s := sdk.Statement{SQL: c.session.fill(p, text).text, Args: args}
	if p.prepared.Kind == sdk.KindRead {
		return c.drain(ctx, s)
	}
	r, err := c.write(ctx, p, s)
	if err != nil {
		return nil, err
	}
	return c.session.note(p, r), nil
}

// query runs a text whose plan is known and serves its rows.
func (c *conn) query(ctx context.Context, p *plan, text string, args []driver.NamedValue) (driver.Rows, error) {
	switch {
	case c.oneByOne(p):
		return c.queryScript(ctx, p, args)
	case p.control.verb != verbNone:
		return &rows{last: true}, c.run(ctx, p.control)
	case p.setting.name != "":
		return c.setting(p.setting)
	case p.answer != nil:
		return c.session.rows(p.answer), nil
	case p.here():
		return &rows{last: true}, nil
	}
	if err := c.allowed(p); err != nil {
		return nil, err
	}
	f := c.session.fill(p, text)
	if p.prepared.Kind == sdk.KindRead {
		r, err := c.read(ctx, sdk.Statement{SQL: f.text, Args: args})
		if err != nil {
			return nil, err
		}
		r.columns = f.columns(r.columns)
		return r, nil
	}
	r, err := c.write(ctx, p, sdk.Statement{SQL: f.text, Args: args, WantRows: true})
	if err != nil {
		return nil, err
	}
	c.session.note(p, r)
	return &rows{columns: f.columns(r.Columns), block: r.Rows, last: true}, nil
}

// read starts a read where the session is. The first block comes at once, so an
// error of the first row is the query's, as with a bare driver.
func (c *conn) read(ctx context.Context, s sdk.Statement) (*rows, error) {
	got, err := c.firstRows(ctx, s)
	if err != nil {
		return nil, safe(err)
	}
	r := &rows{ctx: ctx, from: got.Rest, columns: got.Columns, block: got.First.Rows, last: got.First.Last}
	if c.tx != nil && !r.last {
		c.tx.own(r)
	}
	return r, nil
}

// firstRows reads in the transaction, or by itself.
func (c *conn) firstRows(ctx context.Context, s sdk.Statement) (Reading, error) {
	if c.tx == nil {
		return c.b.Read(ctx, s)
	}
	from, err := c.tx.tx.Query(ctx, s)
	if err != nil {
		return Reading{}, err
	}
	return First(ctx, from)
}

// drain runs a read to its end, as Exec does with one.
func (c *conn) drain(ctx context.Context, s sdk.Statement) (driver.Result, error) {
	r, err := c.read(ctx, s)
	if err != nil {
		return nil, err
	}
	for err == nil && !r.last {
		err = r.fill()
	}
	if closing := r.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	return result{lastInsertID: c.session.lastInsertID}, nil
}

// write runs a statement in the transaction, or by itself.
func (c *conn) write(ctx context.Context, p *plan, s sdk.Statement) (r sdk.Result, err error) {
	if c.tx != nil {
		r, err = c.tx.exec(ctx, s)
	} else if len(c.session.settings) > 0 {
		r, err = c.private(ctx, s)
	} else if r, err = c.b.Write(ctx, []sdk.Statement{s}); err == nil {
		err = r.Err
	}
	if err != nil {
		c.session.noteFailure(p, err)
	}
	return r, safe(err)
}

// PrepareContext classifies a text. Outside a transaction it must compile.
func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	p, err := c.plan(ctx, text)
	if err != nil {
		return nil, err
	}
	if p.prepared.Kind == sdk.KindRefused {
		return nil, c.allowed(p)
	}
	return &stmt{c: c, text: text, plan: c.plans[text]}, nil
}

// Prepare is PrepareContext without a context, for driver.Conn.
func (c *conn) Prepare(text string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), text)
}

// Begin is BeginTx without a context, for driver.Conn.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Ping makes a local read. It does not ask for a primary.
func (c *conn) Ping(ctx context.Context) error {
	if err := c.usable(ctx); err != nil {
		return err
	}
	_, err := c.ExecContext(ctx, "SELECT 1", nil)
	return err
}

// IsValid is asked when the connection returns to the pool. A transaction that
// was begun as text and forgotten is rolled back here, not when the connection is
// used next, because it holds the writer of the whole workspace.
func (c *conn) IsValid() bool {
	if c.closed {
		return false
	}
	return c.tx == nil || c.rollback(context.Background()) == nil
}

// ResetSession is asked before a connection from the pool is used. Its session
// numbers stay: the pool hands out the connection used last, and as with a bare
// driver code may count on that.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.tx == nil {
		return nil
	}
	return c.rollback(ctx)
}

// Close ends the session and its transaction.
func (c *conn) Close() error {
	c.closed = true
	if c.tx == nil {
		return nil
	}
	return c.rollback(context.Background())
}

// CheckNamedValue passes what the engine takes as it is, and leaves the rest to
// the default conversion.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	switch x := v.Value.(type) {
	case nil, int64, float64, bool, string, time.Time:
		return nil
	case []byte:
		if x == nil {
			v.Value = nil // NULL, as a bare driver binds it; an encoding could make it empty
		}
		return nil
	}
	return driver.ErrSkip
}
