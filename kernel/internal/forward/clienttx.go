package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// tidyTime bounds a rollback in the name of a caller who gave up.
const tidyTime = time.Second

// Begin starts an interactive transaction on the primary, which holds the one
// writer for it. ctx, or the client's timeout, bounds the waiting for a turn; it is
// not tied to the transaction. Failed attempts are repeated at the next primary, for
// they applied nothing: [sdk.ErrUnavailable] at the deadline. When the primary is lost,
// each later call returns [sdk.ErrTxLost].
func (c *Client) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	if o.ReadOnly {
		return nil, fmt.Errorf("%w: a read-only transaction is begun on the local handle, not forwarded", sdk.ErrInvalid)
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var after uint64
	var pause backoff
	var last error
	for {
		t, err := c.target(ctx, after)
		if err != nil {
			return nil, giveUp(sdk.WriteID{}, false, last, err)
		}
		tx, err := c.beginAt(ctx, t, o)
		if err == nil || fateOf(err) == settled || errors.Is(err, sdk.ErrInternal) {
			return tx, err
		}
		last = err
		if gone(t, err) {
			after = t.Generation
		} else if err := pause.wait(ctx, c.closed); err != nil {
			return nil, giveUp(sdk.WriteID{}, false, last, err)
		}
	}
}

func (c *Client) beginAt(ctx context.Context, t Target, o sdk.TxOptions) (sdk.Tx, error) {
	if t.Local != nil {
		tx, err := t.Local.Begin(ctx, o)
		if err == nil && t.Apart {
			tx = apartTx{tx, c, t}
		}
		return tx, err
	}
	x := &remoteTx{c: c, t: t, number: c.txs.Add(1)}
	body := txCall{tx: x.number, body: wire.AppendTxOptions(nil, o)}.append(nil)
	if _, err := call(ctx, t, opBegin, body); err != nil {
		if fateOf(err) == maybe {
			c.tidy(t, x.number) // it may have begun, and would hold the writer until its idle limit
		}
		return nil, err
	}
	return x, nil
}

// tidy rolls a transaction back that nobody uses any more, without waiting.
func (c *Client) tidy(t Target, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return // the link is about to end, and the session's transactions with it
	}
	c.tidying.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
		defer cancel()
		// An error means that the link is gone, which rolls it back too.
		_, _ = call(ctx, t, opRollback, txCall{tx: number}.append(nil))
	})
}

// remoteTx is a transaction in another instance's writer.
type remoteTx struct {
	c      *Client
	t      Target
	number uint64

	mu   sync.Mutex
	over error // why no call may be made any more; nil: open
}

func (x *remoteTx) state() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.over
}

// end makes err the answer to every later call, unless there is one already, and
// returns the one that holds.
func (x *remoteTx) end(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over == nil {
		x.over = err
	}
	return x.over
}

// call sends one call of the open transaction and judges its error.
func (x *remoteTx) call(ctx context.Context, op string, m txCall) ([]byte, error) {
	if err := x.state(); err != nil {
		return nil, err
	}
	ctx, cancel := x.c.bound(ctx)
	defer cancel()
	m.tx = x.number
	body := m.append(nil)
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: the statement takes %d bytes, and a message holds %d; split it", sdk.ErrInvalid, len(body), maxBody)
	}
	reply, err := call(ctx, x.t, op, body)
	if err != nil {
		return nil, x.judge(err)
	}
	return reply, nil
}

// judge decides whether the transaction survived err. What is not known to have
// left it whole has ended it: a statement that may or may not be in it is worse
// than running it again.
func (x *remoteTx) judge(err error) error {
	var sql *sdk.SQLError
	switch {
	case errors.Is(err, sdk.ErrTxLost):
		return x.end(err)
	case errors.Is(err, sdk.ErrOutcomeUnknown):
	case errors.As(err, &sql), errors.Is(err, sdk.ErrInvalid), errors.Is(err, sdk.ErrUnsupported):
		return err
	case errors.Is(err, sdk.ErrClosed) && !gone(x.t, err):
		return err
	}
	return x.abandon(err)
}

// abandon ends the transaction because a call failed, here and on the primary.
func (x *remoteTx) abandon(cause error) error {
	if !gone(x.t, cause) {
		x.c.tidy(x.t, x.number)
	}
	return x.end(fmt.Errorf("%w: a call to the primary of epoch %d failed; run it again from BEGIN: %w",
		sdk.ErrTxLost, x.t.Epoch, opaque(cause)))
}

// Exec implements [sdk.Tx].
func (x *remoteTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	reply, err := x.call(ctx, opExec, txCall{body: wire.AppendStatement(nil, s)})
	if err != nil {
		return sdk.Result{}, err
	}
	return decodeResult(reply)
}

func decodeResult(reply []byte) (sdk.Result, error) {
	res, err := wire.DecodeResult(reply)
	if err != nil {
		return sdk.Result{}, fmt.Errorf("%w: the primary's answer: %v", sdk.ErrInternal, err)
	}
	return res, res.Err
}

// Query implements [sdk.Tx].
func (x *remoteTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	reply, err := x.call(ctx, opQuery, txCall{body: wire.AppendStatement(nil, s)})
	if err != nil {
		return nil, err
	}
	r, err := decodeRowsReply(reply)
	if err != nil {
		return nil, fmt.Errorf("%w: the primary's answer: %v", sdk.ErrInternal, err)
	}
	return &remoteRows{x: x, columns: r.columns, first: &r.block, number: r.rows}, nil
}

// Commit implements [sdk.Tx]. It draws the transaction's write id; r's is not
// used. If the answer is lost, the next primary is asked: [sdk.ErrTxLost] if it was
// not applied, *[sdk.OutcomeUnknownError] if nobody could tell in time.
func (x *remoteTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	if err := x.state(); err != nil {
		return sdk.Result{}, err
	}
	ctx, cancel := x.c.bound(ctx)
	defer cancel()
	res, err := x.c.commit(ctx, x.t, r, func(r sdk.Request) (sdk.Result, error) {
		body := txCall{tx: x.number, body: wire.AppendRequest(nil, r)}.append(nil)
		reply, err := call(ctx, x.t, opCommit, body)
		if err == nil {
			_ = x.end(fmt.Errorf("%w: the transaction was committed", sdk.ErrClosed))
			return decodeResult(reply)
		}
		if fateOf(err) == refused {
			err = x.abandon(err)
		}
		return sdk.Result{}, err
	})
	if !isConstraint(err) {
		_ = x.end(fmt.Errorf("%w: the transaction ended with COMMIT", sdk.ErrClosed))
	}
	return res, err
}

// commit sends a COMMIT under a write id of its own, and finds out what became of it
// if the answer was lost.
func (c *Client) commit(ctx context.Context, t Target, r sdk.Request, send func(sdk.Request) (sdk.Result, error)) (sdk.Result, error) {
	e := c.ids.draw()
	r.ID, r.Floor, r.Lineage = idOf(e), c.ids.floor(time.Now()), t.Lineage
	res, err := send(r)
	if fateOf(err) == maybe {
		var applied bool
		cause := err
		res, applied, err = c.resolve(ctx, r.ID, t.Lineage, cause)
		if err == nil && !applied {
			err = fmt.Errorf("%w: the primary was lost at COMMIT; run it again from BEGIN: %w", sdk.ErrTxLost, opaque(cause))
		}
		if applied && errors.Is(err, sdk.ErrResultGone) {
			err = nil // a COMMIT has nothing to say but that it was
		}
	}
	if errors.Is(err, sdk.ErrOutcomeUnknown) {
		c.ids.keep(e, t.Lineage, time.Now())
	} else {
		c.ids.settle(e)
	}
	return res, err
}

// apartTx is a transaction in this instance's own writer, over a store that may die
// at its COMMIT.
type apartTx struct {
	sdk.Tx
	c *Client
	t Target
}

// Commit implements [sdk.Tx], as that of a remoteTx does.
func (x apartTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	ctx, cancel := x.c.bound(ctx)
	defer cancel()
	return x.c.commit(ctx, x.t, r, func(r sdk.Request) (sdk.Result, error) { return x.Tx.Commit(ctx, r) })
}

// Rollback implements [sdk.Tx]. A primary that cannot be reached rolls it back by
// itself, so there is no error.
func (x *remoteTx) Rollback(ctx context.Context) error {
	if x.state() != nil {
		return nil
	}
	_ = x.end(fmt.Errorf("%w: the transaction was rolled back", sdk.ErrClosed))
	ctx, cancel := x.c.bound(ctx)
	defer cancel()
	if _, err := call(ctx, x.t, opRollback, txCall{tx: x.number}.append(nil)); err != nil && !gone(x.t, err) {
		x.c.tidy(x.t, x.number) // ctx had ended, most likely
	}
	return nil
}

// remoteRows are rows of a remoteTx.
type remoteRows struct {
	x       *remoteTx
	columns []sdk.Column
	first   *sdk.Block // came with the query
	number  uint64     // 0: the primary keeps none
}

// Columns implements [sdk.Rows].
func (r *remoteRows) Columns() []sdk.Column { return r.columns }

// Next implements [sdk.Rows].
func (r *remoteRows) Next(ctx context.Context) (sdk.Block, error) {
	if b := r.first; b != nil {
		r.first = nil
		if b.Last && len(b.Rows) == 0 {
			return sdk.Block{}, io.EOF
		}
		return *b, nil
	}
	if r.number == 0 {
		return sdk.Block{}, io.EOF
	}
	reply, err := r.x.call(ctx, opNext, txCall{rows: r.number})
	if err != nil {
		return sdk.Block{}, err
	}
	b, err := wire.DecodeBlock(reply)
	if err != nil {
		return sdk.Block{}, fmt.Errorf("%w: the primary's answer: %v", sdk.ErrInternal, err)
	}
	if b.Last {
		r.number = 0
	}
	if len(b.Rows) == 0 && b.Last {
		return sdk.Block{}, io.EOF
	}
	return b, nil
}

// Close implements [sdk.Rows].
func (r *remoteRows) Close() error {
	n := r.number
	r.first, r.number = nil, 0
	if n == 0 || r.x.state() != nil {
		return nil
	}
	_, err := r.x.call(context.Background(), opCloseRows, txCall{rows: n})
	return err
}
