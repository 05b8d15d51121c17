package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

const (
	// crowded is from how many calls in flight on a sender lets the others join.
	crowded = 8
	// maxRunning is how many requests of the other side may run at once. Each takes a
	// goroutine and some KiB.
	maxRunning = 16 << 10
	// idleWorkers is how many goroutines are kept for the next request.
	idleWorkers = 64
	// answerGrace is how long the answer to a call is waited for after its context
	// ended and the other side was told: it is what the plugin says that counts. One
	// that hangs is killed sooner.
	answerGrace = time.Second
)

// carrier moves the bytes of frames between two processes.
type carrier interface {
	io.Reader
	sink
	// close ends the carrier on both sides; reads and writes return.
	close()
}

// conn is one side of a carrier: it multiplexes calls in both directions. It owns
// the carrier and the goroutines that run the other side's requests.
type conn struct {
	car    carrier
	out    *outbox
	handle func(*request) // runs a request of the other side and answers it
	stray  func(string)   // is told of a frame that makes no sense; at most once

	in     frameReader // belongs to who has the lead, as does parts
	parts  parts
	lead   lead
	relief relief

	calls   callTable
	reqs    requestTable
	work    chan *request // to idle workers
	workers atomic.Int32  // idle ones, or about to be

	frames atomic.Uint64 // read since the start: a sign of life
	odd    sync.Once

	done chan struct{} // closed by fail
	once sync.Once
	why  error // why it ended; set before done is closed

	wg sync.WaitGroup
}

// newConn returns a conn that runs after start.
func newConn(car carrier, handle func(*request), stray func(string)) *conn {
	c := &conn{car: car, handle: handle, stray: stray, work: make(chan *request), done: make(chan struct{})}
	c.in.src, c.parts = car, parts{}
	c.out = newOutbox(car, c.fail)
	c.lead.wake, c.relief.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	c.lead.held = true // by the reader that start starts
	c.lead.car, _ = car.(interrupter)
	c.calls.open = map[uint64]*call{}
	c.reqs.running = map[uint64]*request{}
	return c
}

// start runs the conn until fail.
func (c *conn) start() {
	c.wg.Go(func() { c.out.run(c.done) })
	c.wg.Go(func() { c.relief.run(c.done, func() { c.wg.Go(c.reader) }) })
	c.wg.Go(c.reader)
}

// fail ends the conn; the first reason counts. It waits for nothing.
func (c *conn) fail(why error) {
	c.once.Do(func() {
		if why == nil || errors.Is(why, io.EOF) || errors.Is(why, io.ErrUnexpectedEOF) {
			why = errGone
		}
		c.why = why
		close(c.done)
		c.car.close()
		c.out.stop(why)
		c.calls.fail(c, why)
		c.reqs.cancelAll()
	})
}

// errGone is the end of a carrier that nobody explained.
var errGone = errors.New("the other process is gone")

// wait waits until nothing of the conn runs, after fail.
func (c *conn) wait() { c.wg.Wait() }

// reader takes in frames until the carrier ends, or another reader took over.
func (c *conn) reader() {
	for {
		f, err := c.in.next()
		if err != nil {
			c.fail(err)
			return
		}
		c.frames.Add(1)
		answer := f.kind == kindReply || f.kind == kindError
		if !c.receive(&f) {
			return
		}
		if answer && c.lead.offered() && c.inFlight() == 0 {
			c.lead.give(false)
			if !c.lead.reclaim(c.done) {
				return
			}
		}
	}
}

// receive takes in a frame. It returns false if the reader lent itself to a request
// and another one reads by now.
func (c *conn) receive(f *frame) bool {
	switch f.kind {
	case kindRequestPart, kindAnswerPart:
		if f.kind == kindAnswerPart && !c.calls.wants(f.id) {
			c.strange(fmt.Sprintf("a part of an answer to call %d, which nobody waits for", f.id))
			return true
		}
		if err := c.parts.add(f); err != nil {
			c.fail(err)
		}
	case kindRequest:
		c.parts.join(f)
		return c.accept(f)
	case kindReply, kindError:
		c.parts.join(f)
		c.answered(f)
	case kindCancel:
		c.reqs.cancel(f)
	case kindPing:
		c.post(&frame{kind: kindPong, id: f.id}, nil)
	case kindPong:
	default:
		c.strange(fmt.Sprintf("a frame of kind %d, which this version does not know", f.kind))
	}
	return true
}

// strange reports, once, that the other side does not keep to the rules.
func (c *conn) strange(what string) {
	c.odd.Do(func() { c.stray(what) })
}

// accept runs a request: a brief one here, if nothing else is to be done, any other
// on a worker. It returns false if another reader took over meanwhile.
func (c *conn) accept(f *frame) bool {
	c.lead.shut()
	r := &request{frame: *f, conn: c}
	if f.timeout > 0 {
		r.deadline = time.Now().Add(f.timeout)
	}
	if f.abandoned {
		r.cancel(context.Canceled)
	}
	running, err := c.reqs.add(r)
	switch err {
	case errTwice:
		c.strange(fmt.Sprintf("request %d (%s) came twice", f.id, f.op))
		return true
	case errTooMany:
		r.answerError(fmt.Errorf("%w: %d requests run already", sdk.ErrUnavailable, maxRunning))
		return true
	}
	if running == 1 && f.op.brief() && len(c.in.buf) == 0 {
		c.relief.lend()
		c.handle(r)
		r.finish()
		return c.relief.regain()
	}
	select {
	case c.work <- r:
	default:
		c.wg.Go(func() { c.worker(r) })
	}
	return true
}

// worker runs requests until the conn ends or there are enough workers.
func (c *conn) worker(r *request) {
	for {
		c.handle(r)
		r.finish()
		if c.workers.Add(1) > idleWorkers {
			c.workers.Add(-1)
			return
		}
		select {
		case r = <-c.work:
			c.workers.Add(-1)
		case <-c.done:
			return
		}
	}
}

// answered hands an answer to its caller.
func (c *conn) answered(f *frame) {
	call, late := c.calls.take(f.id)
	switch {
	case call != nil:
		call.answer <- answerOf(f)
	case late:
		if f.kind == kindReply && f.object != 0 {
			c.drop(f.object)
		}
	default:
		c.strange(fmt.Sprintf("an answer to request %d, which was not asked or was answered before", f.id))
	}
}

// answerOf reads an answer.
func answerOf(f *frame) answer {
	if f.kind == kindReply {
		return answer{body: f.body, object: f.object}
	}
	err, bad := wire.DecodeError(f.body)
	switch {
	case bad != nil:
		err = bad
	case err == nil:
		err = fmt.Errorf("%w: the other side answered with an error and did not say which", sdk.ErrInternal)
	}
	return answer{err: err}
}

// drop closes an object that nobody waits for any more.
func (c *conn) drop(object uint64) {
	c.wg.Go(func() { _, _ = invoke(context.Background(), c, opDrop, object, 0, nil, appendRaw) })
}

// post sends a frame that answers something: it does not wait for room.
func (c *conn) post(f *frame, body []byte) {
	if c.out.begin(context.Background(), true) != nil {
		return // the conn has ended, and its reader tells
	}
	c.out.pending = appendFrame(c.out.pending, f, body)
	c.out.commit(false)
}

// ping asks the other side for a sign of life.
func (c *conn) ping() { c.post(&frame{kind: kindPing}, nil) }

// inFlight returns how many of our calls are not answered.
func (c *conn) inFlight() int {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	return len(c.calls.open)
}
