package sqlroute

import (
	"context"
	"fmt"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// verb is what a text does to a transaction.
type verb uint8

const (
	verbNone verb = iota
	verbBegin
	verbCommit
	verbRollback
	verbSavepoint
	verbRelease
	verbRollbackTo
)

// control is a text that controls transactions.
type control struct {
	verb verb
	name string // of the savepoint
	text string // to pass on
}

// controlOf reads a statement; the zero control if it is not one, or not a
// complete one: the engine then says what is wrong with it.
func controlOf(s statement) control {
	n := len(s.tokens)
	skip := func(i int, words ...string) int {
		for _, w := range words {
			if s.is(i, w) {
				return i + 1
			}
		}
		return i
	}
	named := func(v verb, i int) control {
		if i != n-1 || s.tokens[i].kind == tokenOther {
			return control{}
		}
		return control{v, s.name(i), s.source()}
	}
	plain := func(v verb, i int) control {
		if i != n {
			return control{}
		}
		return control{verb: v}
	}
	switch {
	case s.is(0, "BEGIN"):
		return plain(verbBegin, skip(skip(1, "DEFERRED", "IMMEDIATE", "EXCLUSIVE"), "TRANSACTION"))
	case s.is(0, "COMMIT"), s.is(0, "END"):
		return plain(verbCommit, skip(1, "TRANSACTION"))
	case s.is(0, "SAVEPOINT"):
		return named(verbSavepoint, 1)
	case s.is(0, "RELEASE"):
		return named(verbRelease, skip(1, "SAVEPOINT"))
	case s.is(0, "ROLLBACK"):
		i := skip(1, "TRANSACTION")
		if !s.is(i, "TO") {
			return plain(verbRollback, i)
		}
		return named(verbRollbackTo, skip(i+1, "SAVEPOINT"))
	}
	return control{}
}

// run executes a control text.
func (c *conn) run(ctx context.Context, t control) error {
	switch t.verb {
	case verbBegin:
		return c.begin(ctx, false, originText)
	case verbCommit, verbRollback:
		return c.endText(ctx, t.verb)
	case verbSavepoint:
		return c.savepoint(ctx, t)
	default:
		return c.unwind(ctx, t)
	}
}

// endText ends a transaction by text.
func (c *conn) endText(ctx context.Context, v verb) error {
	switch {
	case c.tx == nil && v == verbCommit:
		return engineError("cannot commit - no transaction is active")
	case c.tx == nil:
		return engineError("cannot rollback - no transaction is active")
	case c.tx.origin == originGo:
		return fmt.Errorf("%w: COMMIT or ROLLBACK as text inside a sql.Tx; call its Commit or Rollback", sdk.ErrInvalid)
	case v == verbCommit:
		return c.commit(ctx, true)
	}
	return c.rollback(ctx)
}

// savepoint opens a savepoint, and a transaction around it if there is none.
func (c *conn) savepoint(ctx context.Context, t control) error {
	fresh := c.tx == nil
	if fresh {
		if err := c.begin(ctx, false, originSavepoint); err != nil {
			return err
		}
	}
	if _, err := c.tx.exec(ctx, sdk.Statement{SQL: t.text}); err != nil {
		if fresh {
			// Its error would say less than the one that is returned.
			_ = c.rollback(ctx)
		}
		return err
	}
	c.tx.savepoints = append(c.tx.savepoints, t.name)
	return nil
}

// unwind releases a savepoint or rolls back to it.
func (c *conn) unwind(ctx context.Context, t control) error {
	if c.tx == nil {
		return engineError("no such savepoint: " + t.name)
	}
	at := len(c.tx.savepoints) - 1
	for at >= 0 && !strings.EqualFold(c.tx.savepoints[at], t.name) {
		at--
	}
	if at == 0 && t.verb == verbRelease && c.tx.origin == originSavepoint {
		return c.commit(ctx, true)
	}
	if _, err := c.tx.exec(ctx, sdk.Statement{SQL: t.text}); err != nil || at < 0 {
		return err
	}
	if t.verb == verbRollbackTo {
		at++ // it stays
	}
	c.tx.savepoints = c.tx.savepoints[:at]
	return nil
}
