package stream

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	chunkBytes   = 256 << 10 // one write of the goroutine; the stall bound counts per chunk
	keepBytes    = 256 << 10 // a larger buffer is not kept for reuse
	inlineRounds = 4         // after so many writes a sender leaves the rest to the goroutine
)

// outbox is the write side of one connection. Senders append frames to one
// buffer; the first of them writes for all, without ever waiting for the peer,
// and what does not fit into the socket is left to one goroutine. So a call costs
// no hand-over, and a peer that does not read holds up nobody.
type outbox struct {
	conn  Conn
	codec Codec
	raw   syscall.RawConn
	limit int                   // bytes that may wait before senders do
	stall time.Duration         // longest time a chunk may take
	fail  func(error)           // breaks the connection; called without mu
	tryFn func(fd uintptr) bool // attempt, made once: it would be an allocation per write
	wake  chan struct{}         // tells the goroutine that rest or pending is its

	// tryBuf, tryN and tryErr belong to whoever made busy true.
	tryBuf []byte
	tryN   int
	tryErr error

	mu      sync.Mutex // guards all below
	pending []byte     // frames nobody began to write
	spare   []byte     // a buffer to reuse
	fields  []byte     // scratch of who appends
	rest    []byte     // what the goroutine has to write before pending
	busy    bool       // somebody writes
	swapped uint64     // bytes that left pending, since the start
	written uint64     // bytes the system took, since the start
	err     error      // why nothing can be sent any more
	room    chan struct{}
}

func newOutbox(c Conn, codec Codec, l Limits, fail func(error)) (*outbox, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	o := &outbox{conn: c, codec: codec, raw: raw, limit: l.OutBytes, stall: l.Stall, fail: fail, wake: make(chan struct{}, 1)}
	o.tryFn = o.attempt
	return o, nil
}

// begin waits until at most limit bytes wait to be sent and returns with mu
// held: append frames, then call commit. On an error mu is not held.
func (o *outbox) begin(ctx context.Context, limit int) error {
	o.mu.Lock()
	for {
		if o.err != nil {
			defer o.mu.Unlock()
			return o.err
		}
		if o.backlogLocked() <= limit {
			return nil
		}
		if err := o.awaitLocked(ctx); err != nil {
			o.mu.Unlock()
			return err
		}
	}
}

// appendLocked appends a frame, between begin and commit.
func (o *outbox) appendLocked(kind byte, id uint64, fields, body []byte) {
	o.pending = o.codec.Append(o.pending, kind, id, fields, body)
}

// awaitLocked waits for something to be written, with mu given up meanwhile.
func (o *outbox) awaitLocked(ctx context.Context) error {
	if o.room == nil {
		o.room = make(chan struct{})
	}
	room := o.room
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit ends what begin began and sees that it is written. It gives mu up and
// never waits for the peer. crowd says that others are about to send too: then
// they get the chance to join before the write.
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

// tryLocked writes pending as far as the socket takes it. It returns false if
// something is left in rest. mu is given up during the write.
func (o *outbox) tryLocked() bool {
	buf := o.swapLocked()
	o.mu.Unlock()
	o.tryBuf = buf
	err := o.raw.Write(o.tryFn)
	n := o.tryN
	if err == nil {
		err = o.tryErr
	}
	o.tryBuf = nil
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

// flush writes until nothing is left or the connection fails.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && len(o.rest)+len(o.pending) > 0 {
		if len(o.rest) == 0 {
			o.rest = o.swapLocked()
		}
		chunk := o.rest[:min(len(o.rest), chunkBytes)]
		o.mu.Unlock()
		_ = o.conn.SetWriteDeadline(time.Now().Add(o.stall))
		n, err := o.conn.Write(chunk)
		o.mu.Lock()
		o.rest = o.rest[n:]
		o.wroteLocked(n)
		if err != nil {
			o.failLocked(err)
		}
	}
	_ = o.conn.SetWriteDeadline(time.Time{})
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
	if n > 0 {
		o.roomLocked()
	}
}

func (o *outbox) roomLocked() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

func (o *outbox) backlogLocked() int {
	return int(o.swapped-o.written) + len(o.pending)
}

// nextLocked returns the position, in bytes since the start, of the next frame.
func (o *outbox) nextLocked() uint64 { return o.swapped + uint64(len(o.pending)) }

// neverLeft reports, after a failure, whether the frame at position at certainly
// was not written.
func (o *outbox) neverLeft(at uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return at >= o.swapped
}

// drain waits until everything is written or ctx ends.
func (o *outbox) drain(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.backlogLocked() > 0 {
		if err := o.awaitLocked(ctx); err != nil {
			return err
		}
	}
	return o.err
}

// failLocked stops sending because of a failed write and breaks the connection.
func (o *outbox) failLocked(err error) {
	if o.err != nil {
		return
	}
	o.err = err
	o.roomLocked()
	o.mu.Unlock()
	o.fail(err)
	o.mu.Lock()
}

// stop makes every later send fail with err.
func (o *outbox) stop(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.roomLocked()
}
