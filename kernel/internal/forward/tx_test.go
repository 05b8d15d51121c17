package forward

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func begin(t *testing.T, c *Client, o sdk.TxOptions) sdk.Tx {
	t.Helper()
	tx, err := c.Begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func txIncr(t *testing.T, tx sdk.Tx) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), stmt(increment)); err != nil {
		t.Fatal(err)
	}
}

// roles runs f with a local and with a forwarding client.
func roles(t *testing.T, f func(t *testing.T, w *world, c *Client)) {
	for _, role := range []string{"primary", "secondary"} {
		t.Run(role, func(t *testing.T) {
			sdktest.NoLeaks(t)
			w := newWorld(t)
			if role == "secondary" {
				w.link()
			}
			f(t, w, w.client())
		})
	}
}

func TestTransactionOnEveryRole(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		tx := begin(t, c, sdk.TxOptions{})
		txIncr(t, tx)
		var e *sdk.SQLError
		if _, err := tx.Exec(t.Context(), stmt("INSERT INTO c VALUES (1, 1)")); !errors.As(err, &e) {
			t.Errorf("duplicate: %v", err)
		}
		txIncr(t, tx)
		w.counter(0)
		if _, err := tx.Commit(t.Context(), sdk.Request{}); err != nil {
			t.Fatal(err)
		}
		w.counter(2)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
		_, err := tx.Exec(t.Context(), stmt(increment))
		is(t, err, sdk.ErrClosed)
		tx = begin(t, c, sdk.TxOptions{})
		txIncr(t, tx)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
		w.counter(2)
		_, err = c.Begin(t.Context(), sdk.TxOptions{ReadOnly: true})
		is(t, err, sdk.ErrInvalid)
	})
}

func TestTransactionStreamsRows(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		tx := begin(t, c, sdk.TxOptions{})
		const many = 20000
		list := "WITH RECURSIVE k(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM k WHERE x < ?) SELECT x, 'some text to fill the block' FROM k"
		rows, err := tx.Query(t.Context(), stmt(list, int64(many)))
		if err != nil {
			t.Fatal(err)
		}
		if c := rows.Columns(); len(c) != 2 || c[0].Name != "x" {
			t.Errorf("columns %v", c)
		}
		next, blocks := int64(1), 0
		for {
			b, err := rows.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			blocks++
			for _, r := range b.Rows {
				if r[0] != next {
					t.Fatalf("row %v, want %d", r[0], next)
				}
				next++
			}
		}
		if next != many+1 || blocks < 2 {
			t.Errorf("%d rows in %d blocks", next-1, blocks)
		}
		half, err := tx.Query(t.Context(), stmt(list, int64(many)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := half.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		txIncr(t, tx)
		if err := half.Close(); err != nil {
			t.Error(err)
		}
		open, err := tx.Query(t.Context(), stmt(list, int64(many)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Commit(t.Context(), sdk.Request{}); err != nil {
			t.Error(err)
		}
		open.Next(t.Context()) // a block that came already, or an error
		if _, err := open.Next(t.Context()); err == nil {
			t.Error("rows outlived their transaction")
		}
		w.counter(1)
	})
}

func TestTransactionLimitsFreeTheWriter(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		for limit, o := range map[string]sdk.TxOptions{"idle limit": {Idle: 20 * time.Millisecond}, "total limit": {Total: 20 * time.Millisecond}} {
			tx := begin(t, c, o)
			if _, err := c.Write(t.Context(), []sdk.Statement{stmt(increment)}); err != nil { // it gets its turn
				t.Fatal(err)
			}
			_, err := tx.Exec(t.Context(), stmt(increment))
			is(t, err, sdk.ErrTxLost)
			if err == nil || !strings.Contains(err.Error(), limit) {
				t.Errorf("%v names no %s", err, limit)
			}
			_, err = tx.Commit(t.Context(), sdk.Request{})
			is(t, err, sdk.ErrTxLost)
			tx.Rollback(t.Context())
		}
		w.counter(2)
	})
}

func TestTotalLimitInterruptsARunningStatement(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		tx := begin(t, c, sdk.TxOptions{Total: 50 * time.Millisecond})
		_, err := tx.Exec(t.Context(), stmt("WITH RECURSIVE k(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM k) UPDATE c SET n = (SELECT count(*) FROM k)"))
		is(t, err, sdk.ErrTxLost)
		w.counter(0)
	})
}

func TestPrimaryLostInATransaction(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	l := w.link()
	tx := begin(t, c, sdk.TxOptions{})
	txIncr(t, tx)
	l.breakNow()
	w.promote(WriterOptions{})
	for range 2 {
		_, err := tx.Exec(t.Context(), stmt(increment))
		is(t, err, sdk.ErrTxLost)
		isNot(t, err, sdk.ErrUnavailable, sdk.ErrOutcomeUnknown)
	}
	_, err := tx.Commit(t.Context(), sdk.Request{})
	is(t, err, sdk.ErrTxLost)
	w.counter(0)
	if _, err := incr(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestCommitInFlightWhenTheLinkBreaks(t *testing.T) {
	for name, how := range map[string]loss{"applied": loseReply, "not applied": loseSent, "not sent": loseCall} {
		for _, next := range []string{"same primary", "next primary"} {
			t.Run(name+", "+next, func(t *testing.T) {
				sdktest.NoLeaks(t)
				w := newWorld(t)
				c := w.client()
				l := w.link().lose(first(opCommit, how))
				tx := begin(t, c, sdk.TxOptions{})
				txIncr(t, tx)
				moved := make(chan struct{})
				go func() {
					defer close(moved)
					<-l.gone
					if next == "next primary" {
						l.breakNow() // waits until the old one has rolled back, so that Advance gets the lock
						w.promote(WriterOptions{})
					}
					w.link()
				}()
				_, err := tx.Commit(t.Context(), sdk.Request{})
				<-moved
				if how == loseReply {
					if err != nil {
						t.Error(err)
					}
					w.counter(1)
				} else {
					is(t, err, sdk.ErrTxLost)
					isNot(t, err, sdk.ErrOutcomeUnknown)
					w.counter(0)
				}
				if f := c.ids.floor(time.Now()); f != 1 {
					t.Errorf("floor %d, want 1: the COMMIT is decided", f)
				}
			})
		}
	}
}

func TestCommitThatNobodyCanTellIsUnknown(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	w.link().lose(first(opCommit, loseReply))
	tx := begin(t, c, sdk.TxOptions{})
	txIncr(t, tx)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := tx.Commit(ctx, sdk.Request{})
	is(t, err, sdk.ErrOutcomeUnknown)
	isNot(t, err, sdk.ErrTxLost, sdk.ErrUnavailable)
	var u *sdk.OutcomeUnknownError
	if !errors.As(err, &u) || u.ID.Sequence == 0 {
		t.Fatalf("%v names no write", err)
	}
	w.link()
	if _, err := c.Outcome(t.Context(), u.ID); err != nil {
		t.Errorf("it was applied: %v", err)
	}
}

func TestAbandonedBeginFreesTheWriter(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		holder := begin(t, c, sdk.TxOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := c.Begin(ctx, sdk.TxOptions{})
		is(t, err, sdk.ErrUnavailable, context.DeadlineExceeded)
		isNot(t, err, sdk.ErrOutcomeUnknown)
		if err := holder.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := incr(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherSessionCannotNameATransaction(t *testing.T) {
	w := newWorld(t)
	wr := w.target.Local
	c := w.client()
	w.link()
	tx := begin(t, c, sdk.TxOptions{}).(*remoteTx)
	_, _, err := wr.Handle(t.Context(), sdk.Peer{Session: "stranger"}, sdk.Message{Op: opCommit, Body: txCall{tx: tx.number}.append(nil)})
	is(t, err, sdk.ErrTxLost)
	txIncr(t, tx)
	tx.Rollback(t.Context())
}

func TestPrimaryClosesUnderATransaction(t *testing.T) {
	roles(t, func(t *testing.T, w *world, c *Client) {
		wr := w.target.Local
		if wr == nil {
			wr = w.target.Link.(*fakeLink).writer
		}
		tx := begin(t, c, sdk.TxOptions{})
		txIncr(t, tx)
		if err := wr.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_, err := tx.Commit(t.Context(), sdk.Request{})
		is(t, err, sdk.ErrTxLost)
		w.counter(0)
	})
}

func TestCancelledStatementEndsARemoteTransactionClearly(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	w.link()
	tx := begin(t, c, sdk.TxOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := tx.Exec(ctx, stmt("WITH RECURSIVE k(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM k) UPDATE c SET n = (SELECT count(*) FROM k)"))
	is(t, err, sdk.ErrTxLost, context.DeadlineExceeded)
	if _, err := incr(t.Context(), c); err != nil {
		t.Error(err)
	}
	w.counter(1)
}

// lateCtx ends when gone says so, which nobody waiting on Done notices.
type lateCtx struct {
	context.Context
	gone func() bool
}

func (c lateCtx) Err() error {
	if c.gone() {
		return context.Canceled
	}
	return c.Context.Err()
}

func TestSessionThatEndsWhileItsTransactionBeginsLeavesNone(t *testing.T) {
	w := newWorld(t)
	wr := w.target.Local
	k := txKey{"s", 1}
	ctx := lateCtx{t.Context(), func() bool { return wr.served.get(k) != nil }}
	_, _, err := wr.Handle(ctx, sdk.Peer{Session: k.session}, sdk.Message{Op: opBegin, Body: txCall{tx: k.number}.append(nil)})
	is(t, err, sdk.ErrUnavailable)
	if wr.served.get(k) != nil {
		t.Error("the transaction is still served")
	}
	wait, cancel := context.WithTimeout(t.Context(), DefaultTxIdle/2)
	defer cancel()
	if err := <-apply(wait, wr, sdk.Request{}); err != nil {
		t.Errorf("the writer is still held: %v", err)
	}
}
