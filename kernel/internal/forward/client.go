package forward

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// Route tells where the primary is. The kernel implements it. Safe for
// concurrent use.
type Route interface {
	// Primary blocks until a primary with a generation above after is known (0: any).
	// [sdk.ErrUnavailable] at once if none can come, [sdk.ErrClosed] when the instance
	// closes, [sdk.ErrIncompatible] if it must not be used; else ctx's error.
	Primary(ctx context.Context, after uint64) (Target, error)
}

// Target is a primary. Exactly one of Local and Link is set. The kernel closes the
// Link, or the Local writer, of a generation that is over: a call that hangs in it
// is then resent to the next.
type Target struct {
	Generation uint64 // rises with every new primary or new link to the same one
	Epoch      uint64
	Lineage    string
	Local      *Writer
	Link       sdk.Link
	Apart      bool // the store of Local is another process, which may die without this one
}

// Client writes from any role, each write exactly once, across failovers. Safe
// for concurrent use.
type Client struct {
	route   Route
	timeout time.Duration
	ids     *ids
	txs     atomic.Uint64 // numbers of transactions
	replays atomic.Uint64 // writes answered from their recorded result

	mu      sync.Mutex
	closed  chan struct{}
	stopped bool
	tidying sync.WaitGroup // rollbacks that nobody waits for
}

// NewClient returns a client that draws its write ids from incarnation, which is 32
// hex digits that no other client ever had. callTimeout bounds calls whose ctx has
// no deadline; 0 or less means 30 s.
func NewClient(r Route, incarnation string, callTimeout time.Duration) *Client {
	if callTimeout <= 0 {
		callTimeout = 30 * time.Second
	}
	return &Client{route: r, timeout: callTimeout, ids: newIDs(incarnation), closed: make(chan struct{})}
}

// Close makes calls that wait for a retry fail and refuses new ones, with
// [sdk.ErrClosed] where nothing was executed. It does not break calls that are in a
// writer or a link: close those. Idempotent.
func (c *Client) Close() {
	c.mu.Lock()
	if !c.stopped {
		c.stopped = true
		close(c.closed)
	}
	c.mu.Unlock()
	c.tidying.Wait()
}

// Write applies s atomically, exactly once, on the primary. A statement's error
// is returned as it is (*[sdk.SQLError]). At the deadline it is [sdk.ErrUnavailable]
// if the write was certainly not executed, else *[sdk.OutcomeUnknownError]; both also match ctx's
// error. [sdk.ErrResultGone]: applied, but its rows are no longer kept.
func (c *Client) Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	wr := write{c: c, statements: s}
	res, err := wr.run(ctx)
	if res.Replayed {
		c.replays.Add(1)
	}
	if wr.element != nil {
		if errors.Is(err, sdk.ErrOutcomeUnknown) {
			c.ids.keep(wr.element, wr.lineage, time.Now())
		} else {
			c.ids.settle(wr.element)
		}
	}
	return res, err
}

// Replayed returns how many writes were answered from their recorded result: an
// earlier attempt had been applied, and its answer was lost.
func (c *Client) Replayed() uint64 { return c.replays.Load() }

// bound gives ctx the client's timeout if it has no deadline.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

// write is one logical write on its way.
type write struct {
	c          *Client
	statements []sdk.Statement
	element    *list.Element // its id; nil until it is first sent over a link
	lineage    string        // of the store that maybe executed it
	maybe      bool          // an attempt may have been executed
	last       error         // why the last attempt did not settle it
}

func (wr *write) run(ctx context.Context) (sdk.Result, error) {
	var after uint64
	var pause backoff
	for {
		t, err := wr.c.target(ctx, after)
		if err != nil {
			return sdk.Result{}, wr.give(err)
		}
		if wr.maybe && t.Lineage != wr.lineage {
			return sdk.Result{}, wr.give(replaced(wr.lineage, t.Lineage))
		}
		res, err := wr.send(ctx, t)
		if err == nil {
			err = res.Err
		}
		if errors.Is(res.Err, sdk.ErrOutcomeUnknown) { // another lineage: no retry can tell
			wr.maybe, wr.lineage = true, t.Lineage
			return sdk.Result{}, wr.give(res.Err)
		}
		switch fateOf(err) {
		case settled:
			return res, err
		case maybe:
			wr.maybe, wr.lineage = true, t.Lineage
			if wr.element == nil || errors.Is(err, sdk.ErrInternal) { // without an id no one can be asked
				return sdk.Result{}, wr.give(err)
			}
		}
		wr.last = err
		if gone(t, err) {
			after = t.Generation
		} else if err := pause.wait(ctx, wr.c.closed); err != nil {
			return sdk.Result{}, wr.give(err)
		}
	}
}

// send makes one attempt. A local one without an earlier attempt that may have
// been executed carries no id, unless the store may die alone: its failure is certain
// or is never resent, and the record would cost a fifth of the speed.
func (wr *write) send(ctx context.Context, t Target) (sdk.Result, error) {
	r := sdk.Request{Lineage: t.Lineage, Statements: wr.statements}
	if t.Local != nil && !t.Apart && !wr.maybe {
		return t.Local.Apply(ctx, r)
	}
	if wr.element == nil {
		wr.element = wr.c.ids.draw()
	}
	r.ID, r.Floor = idOf(wr.element), wr.c.ids.floor(time.Now())
	if t.Local != nil {
		return t.Local.Apply(ctx, r)
	}
	body := wire.AppendRequest(nil, r)
	if len(body) > maxBody {
		return sdk.Result{}, fmt.Errorf("%w: the write takes %d bytes, and a message holds %d; split it", sdk.ErrInvalid, len(body), maxBody)
	}
	reply, err := call(ctx, t, opApply, body)
	if err != nil {
		return sdk.Result{}, err
	}
	return decodeResult(reply)
}

// give ends the write without an answer.
func (wr *write) give(cause error) error {
	return giveUp(idOf(wr.element), wr.maybe, wr.last, cause)
}

// target asks the route, unless the client is closed.
func (c *Client) target(ctx context.Context, after uint64) (Target, error) {
	select {
	case <-c.closed:
		return Target{}, errClosed
	default:
		return c.route.Primary(ctx, after)
	}
}

var errClosed = fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)

// call sends one message with what is left of ctx's time.
func call(ctx context.Context, t Target, op string, body []byte) ([]byte, error) {
	m := sdk.Message{Op: op, Epoch: t.Epoch, Body: body}
	if end, has := ctx.Deadline(); has {
		m.Timeout = max(time.Until(end), 1)
	}
	return t.Link.Call(ctx, m)
}
