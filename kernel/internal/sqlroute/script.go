package sqlroute

import (
	"context"
	"database/sql/driver"
)

// oneByOne reports whether the statements of p are run by themselves. In a
// transaction they are, so that the session knows how far a script came that fails.
func (c *conn) oneByOne(p *plan) bool {
	return p.apart || (c.tx != nil && p.script != nil)
}

// execScript runs the statements of p one by one up to the first error, as the
// engine does, in one transaction if p says so.
func (c *conn) execScript(ctx context.Context, p *plan, script []string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.together(ctx, p, func() error {
		for _, text := range script {
			if r, err = c.ExecContext(ctx, text, args); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// queryScript is execScript with the rows of the last statement. In a transaction
// of its own they are read before it ends.
func (c *conn) queryScript(ctx context.Context, p *plan, args []driver.NamedValue) (r driver.Rows, err error) {
	end := len(p.script) - 1
	own := p.atomic && c.tx == nil
	err = c.together(ctx, p, func() error {
		if _, err := c.execScript(ctx, p, p.script[:end], args); err != nil {
			return err
		}
		if r, err = c.QueryContext(ctx, p.script[end], args); err == nil && own {
			err = r.(*rows).keep()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// together runs f in a transaction of its own if p needs one and none is open. A
// lost one was not applied and is run again.
func (c *conn) together(ctx context.Context, p *plan, f func() error) error {
	if !p.atomic || c.tx != nil {
		return f()
	}
	before := c.session
	for try := 1; ; try++ {
		err := c.begin(ctx, false, originGo)
		if err != nil {
			return err
		}
		if err = f(); err != nil {
			_ = c.rollback(ctx) // f's error counts
		} else {
			err = c.commit(ctx, false)
		}
		if !isLost(err) || try == maxPrivate {
			return err
		}
		c.session = before
	}
}
