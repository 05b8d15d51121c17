package forward

import (
	"context"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// maxQueue and maxQueueBytes bound what waits, so that a stalled disk costs a
// bounded amount of memory: more is refused as not executed.
const (
	maxQueue      = 8192
	maxQueueBytes = 256 << 20
)

type kind uint8

const (
	kindApply kind = iota
	kindOutcome
	kindBegin
)

// item is a call that waits for the writer, or is being executed.
type item struct {
	kind kind
	ctx  context.Context
	req  sdk.Request // kindOutcome uses the ID only
	opts sdk.TxOptions
	done chan answer // one slot: the writer never waits for a caller

	size      int // of req, about, in bytes; guarded by queue.mu, as are the next two
	withdrawn bool
	taken     bool
}

type answer struct {
	result  sdk.Result
	applied bool // kindOutcome: whether it was applied
	tx      *heldTx
	err     error
}

func newItem(ctx context.Context, k kind) *item {
	return &item{kind: k, ctx: ctx, done: make(chan answer, 1)}
}

// queue is first in, first out, and says who is inside the store: one goroutine at
// a time. That is the writer's own or, when nothing waits, a caller's (see lead).
type queue struct {
	mu     sync.Mutex
	items  []*item
	bytes  int           // of items
	busy   bool          // somebody is inside the store
	closed error         // why nothing is taken any more; nil: open
	wake   chan struct{} // one slot; for the writer's goroutine
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(it *item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	it.size = size(it.req)
	if len(q.items) >= maxQueue || len(q.items) > 0 && q.bytes+it.size > maxQueueBytes {
		return fmt.Errorf("%w: %d writes of %d bytes wait for the primary's disk already; write less or try later",
			sdk.ErrUnavailable, len(q.items), q.bytes)
	}
	q.bytes += it.size
	q.items = append(q.items, it)
	if len(q.items) == 1 && !q.busy {
		q.wakeLocked()
	}
	return nil
}

func (q *queue) wakeLocked() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// lead lets the caller execute it at once, in its own goroutine, if nothing waits
// and nobody is inside the store. Waking the writer's goroutine and being woken by
// it costs half of what a small commit does. The caller calls leave afterwards.
func (q *queue) lead(it *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy || len(q.items) > 0 || q.closed != nil {
		return false
	}
	q.busy, it.taken = true, true
	return true
}

// leave ends a turn that take or lead gave.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	if len(q.items) > 0 || q.closed != nil {
		q.wakeLocked()
	}
}

// over reports whether the queue is closed and nobody is inside the store.
func (q *queue) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed != nil && !q.busy
}

// take removes the next turn: the requests at the head, at most max, or the one
// other call there. nil means that nothing waits, or somebody is inside the store.
// The caller calls leave after a turn.
func (q *queue) take(max int) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy {
		return nil
	}
	var turn []*item
	n := 0
	for _, it := range q.items {
		if !it.withdrawn {
			if len(turn) == max || len(turn) > 0 && it.kind != kindApply {
				break
			}
			it.taken = true
			turn = append(turn, it)
			if it.kind != kindApply {
				n++
				break
			}
		}
		n++
	}
	q.dropLocked(n)
	q.busy = len(turn) > 0
	return turn
}

// dropLocked removes the first n items; q.mu is held.
func (q *queue) dropLocked(n int) {
	for _, it := range q.items[:n] {
		q.bytes -= it.size
	}
	if n == len(q.items) {
		clear(q.items)
		q.items = q.items[:0]
		return
	}
	clear(q.items[:n])
	q.items = q.items[n:]
}

// withdraw takes it back and reports whether that was possible: it certainly was
// not executed then, and will not be.
func (q *queue) withdraw(it *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it.taken {
		return false
	}
	it.withdrawn = true
	it.req = sdk.Request{ID: it.req.ID} // free the statements now; the item goes when its turn comes
	q.bytes -= it.size
	it.size = 0
	return true
}

// close refuses further pushes with reason and answers what waits with it.
func (q *queue) close(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return
	}
	q.closed = reason
	for _, it := range q.items {
		it.taken = true
		it.done <- answer{err: reason}
	}
	q.items, q.bytes = nil, 0
	q.wakeLocked()
}

// size returns about how many bytes of memory r holds.
func size(r sdk.Request) int {
	n := 0
	for _, s := range r.Statements {
		n += len(s.SQL)
		for _, a := range s.Args {
			switch v := a.Value.(type) {
			case string:
				n += len(v)
			case []byte:
				n += len(v)
			}
			n += 32
		}
	}
	return n
}
