package remote

import (
	"context"
	"runtime"
	"sync"
)

const (
	outLimit     = 1 << 20   // bytes that may wait before senders do
	keepBytes    = 256 << 10 // a larger buffer is not kept for reuse
	inlineRounds = 4         // after so many writes a sender leaves the rest to the goroutine
)

// sink is the write side of a carrier.
type sink interface {
	// try takes as many bytes as go at once, without waiting for the other side; none
	// if the carrier cannot tell.
	try(p []byte) (int, error)
	// write takes all of p, however long that takes, unless the carrier ends. p holds
	// whole frames if try never takes a part.
	write(p []byte) error
}

// outbox is the write side of a conn. Senders append frames to one buffer; the
// first of them writes for all, without ever waiting for the other side, and what
// does not go at once is left to one goroutine. So a call costs no hand-over, a
// stopped process on the other side holds up nobody, and a crowd shares a write.
type outbox struct {
	sink sink
	fail func(error)   // ends the conn; called without mu
	wake chan struct{} // tells the goroutine that rest or pending is its

	mu      sync.Mutex // guards all below
	pending []byte     // frames nobody began to write
	spare   []byte     // a buffer to reuse
	rest    []byte     // what the goroutine has to write before pending
	busy    bool       // somebody writes
	swapped uint64     // bytes that left pending, since the start
	written uint64     // bytes that the carrier took, since the start
	err     error      // why nothing can be sent any more
	room    chan struct{}
}

func newOutbox(s sink, fail func(error)) *outbox {
	return &outbox{sink: s, fail: fail, wake: make(chan struct{}, 1)}
}

// begin waits until there is room and returns with mu held: append frames to
// pending, then call commit. On an error mu is not held. A frame that is part of an
// answer does not wait (urgent), or two sides full of requests would stall each
// other.
func (o *outbox) begin(ctx context.Context, urgent bool) error {
	o.mu.Lock()
	for {
		if o.err != nil {
			defer o.mu.Unlock()
			return o.err
		}
		if urgent || o.backlogLocked() <= outLimit {
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		o.mu.Lock()
	}
}

// commit ends what begin began and sees that it is written. It gives mu up and
// never waits for the other side. crowd says that others are about to send too:
// then they get the chance to join before the write.
func (o *outbox) commit(crowd bool) {
	defer o.mu.Unlock()
	if o.busy {
		return
	}
	o.busy = true
	if crowd {
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
	}
	for round := 0; len(o.pending) > 0 && o.err == nil; round++ {
		if round == inlineRounds || !o.tryLocked() {
			o.wake <- struct{}{} // busy passes on; never full, because busy was ours
			return
		}
	}
	o.busy = false
}

// tryLocked writes pending as far as it goes at once. It returns false if something
// is left in rest. mu is given up during the write.
func (o *outbox) tryLocked() bool {
	buf := o.swapLocked()
	o.mu.Unlock()
	n, err := o.sink.try(buf)
	o.mu.Lock()
	o.wroteLocked(n)
	if err != nil {
		o.failLocked(err)
		return true
	}
	if n < len(buf) {
		o.rest = buf[n:]
		return false
	}
	o.recycleLocked(buf)
	return true
}

// run is the outbox's goroutine. It ends when done is closed.
func (o *outbox) run(done <-chan struct{}) {
	for {
		select {
		case <-o.wake:
			o.flush()
		case <-done:
			return
		}
	}
}

// flush writes until nothing is left or the carrier fails.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && len(o.rest)+len(o.pending) > 0 {
		if len(o.rest) == 0 {
			o.rest = o.swapLocked()
		}
		chunk := o.rest
		o.mu.Unlock()
		err := o.sink.write(chunk)
		o.mu.Lock()
		o.rest = nil
		if err != nil {
			o.failLocked(err)
			break
		}
		o.wroteLocked(len(chunk))
		o.recycleLocked(chunk)
	}
	o.rest = nil
	o.busy = false
}

func (o *outbox) swapLocked() []byte {
	buf := o.pending
	o.pending, o.spare = o.spare[:0], nil
	o.swapped += uint64(len(buf))
	return buf
}

func (o *outbox) recycleLocked(buf []byte) {
	if cap(buf) <= keepBytes {
		o.spare = buf[:0]
	}
}

func (o *outbox) wroteLocked(n int) {
	o.written += uint64(n)
	if n > 0 && o.room != nil {
		close(o.room)
		o.room = nil
	}
}

func (o *outbox) backlogLocked() int { return int(o.swapped-o.written) + len(o.pending) }

// nextLocked returns the position, in bytes since the start, of the next frame.
func (o *outbox) nextLocked() uint64 { return o.swapped + uint64(len(o.pending)) }

// neverLeft reports, after the end, whether the frame at position at certainly was
// not written.
func (o *outbox) neverLeft(at uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return at >= o.swapped
}

// failLocked stops sending because of a failed write and ends the conn.
func (o *outbox) failLocked(err error) {
	if o.err != nil {
		return
	}
	o.stopLocked(err)
	o.mu.Unlock()
	o.fail(err)
	o.mu.Lock()
}

// stop makes every later send fail with err.
func (o *outbox) stop(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.stopLocked(err)
	}
}

func (o *outbox) stopLocked(err error) {
	o.err = err
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}
