package remote

import (
	"errors"
	"os"
	"sync"
	"time"
)

// Handing over what was read costs more than reading it: another goroutine has to
// be woken, usually on another processor, where the other process wants to run.
// With one caller the two hand-overs of a call double its time. So two short cuts
// let the goroutine at hand go on by itself:
//
//   - lending: a reader runs a brief request itself if nothing else runs. Meanwhile
//     nobody reads; if it takes longer than a tick another reader takes over.
//   - leading: a caller whose call is the only one in flight reads its own answer.
//     It is interrupted after a tick or two, and waits like everybody then. Only where
//     the other side asks nothing of us, since nobody reads between two calls.
//
// A tick is also how much later than otherwise a frame may be read that comes at
// the wrong moment. The goroutine that ticks does so only while calls are made.
const (
	leadTick = time.Millisecond
	// leadQuiet is after how many ticks without a short cut the ticking stops.
	leadQuiet = 100
)

// relief takes over from a reader that lent itself to a request for too long.
type relief struct {
	mu   sync.Mutex
	lent bool
	turn uint64        // grows with each lending
	wake chan struct{} // starts the ticking
	on   bool          // it ticks
}

// lend says that the reader runs a request now.
func (l *relief) lend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent = true
	l.turn++
	if !l.on {
		l.on = true
		l.wake <- struct{}{}
	}
}

// regain says that the reader is back; false if another one reads by now.
func (l *relief) regain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ours := l.lent
	l.lent = false
	return ours
}

// run relieves readers until done is closed.
func (l *relief) run(done <-chan struct{}, read func()) {
	tick := time.NewTicker(leadTick)
	defer tick.Stop()
	for {
		tick.Stop()
		select {
		case <-l.wake:
		case <-done:
			return
		}
		tick.Reset(leadTick)
		for last, quiet := uint64(0), 0; quiet < leadQuiet; {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			l.mu.Lock()
			late := l.lent && l.turn == last
			if late {
				l.lent = false
			}
			if quiet++; l.turn != last {
				last, quiet = l.turn, 0
			}
			l.on = quiet < leadQuiet
			l.mu.Unlock()
			if late {
				read()
			}
		}
	}
}

// brief reports whether a method usually ends at once: it reads, and waits for
// nobody.
func (o op) brief() bool {
	switch o {
	case opPortsCandidates, opLockAlive, opDBStatus, opDBPrepare, opDBQuery, opTxExec, opTxQuery, opRowsNext, opRowsClose,
		opFeedNext, opServerPublish, opWatcherJudge:
		return true
	}
	return false
}

// interrupter is a carrier whose Read can be made to return.
type interrupter interface {
	// interrupt makes a running or the next Read return os.ErrDeadlineExceeded.
	interrupt()
	// resume ends that.
	resume()
}

// lead says who reads a carrier: the standby, or a caller.
type lead struct {
	car  interrupter   // nil: callers never read
	wake chan struct{} // tells the standby to read

	mu          sync.Mutex
	held        bool
	turn        uint64 // grows with each holder
	interrupted bool   // the holder was told to stop reading
	closed      bool   // for callers
}

// take takes the lead for a caller, if it is free.
func (l *lead) take() bool {
	if l.car == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held || l.closed {
		return false
	}
	l.held = true
	l.turn++
	return true
}

// give gives the lead back. hurry: somebody waits for an answer.
func (l *lead) give(hurry bool) {
	l.mu.Lock()
	l.held = false
	if l.interrupted { // whether or not that came in time
		l.interrupted = false
		l.car.resume()
	}
	l.mu.Unlock()
	if hurry {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// shut keeps callers from the lead for good.
func (l *lead) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// offered reports whether the standby, which has read an answer, should leave the
// next one to its caller.
func (l *lead) offered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.car != nil && !l.closed
}

// reclaim waits until the standby should read again: no caller has led for a tick,
// one leads for too long, or somebody is in a hurry. It returns with the lead held;
// false when done is closed.
func (l *lead) reclaim(done <-chan struct{}) bool {
	tick := time.NewTicker(leadTick)
	defer tick.Stop()
	for last, hurry := l.now(), false; ; hurry = false {
		select {
		case <-tick.C:
		case <-l.wake:
			hurry = true
		case <-done:
			return false
		}
		l.mu.Lock()
		switch idle := l.turn == last; {
		case !l.held && (idle || hurry || l.closed):
			l.held = true
			l.turn++
			l.mu.Unlock()
			return true
		case l.held && (idle || l.closed):
			l.interrupted = true
			l.car.interrupt()
		}
		last = l.turn
		l.mu.Unlock()
	}
}

func (l *lead) now() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turn
}

// readOwn lets the caller of id, who has the lead, read until its answer is there.
// It returns false if that is for somebody else to do.
func (c *conn) readOwn(id uint64, call *call) (a answer, ok bool) {
	defer func() { c.lead.give(c.inFlight() > 0) }()
	select {
	case a := <-call.answer: // it came before the lead did
		return a, true
	default:
	}
	for {
		f, err := c.in.next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.in.err = nil // it passes with the lead
			return a, false
		case err != nil:
			c.fail(err)
			return a, false // fail answers
		}
		c.frames.Add(1)
		if f.id != id || f.kind != kindReply && f.kind != kindError {
			c.receive(&f)
			continue
		}
		c.parts.join(&f)
		if own, _ := c.calls.take(id); own != nil {
			return answerOf(&f), true
		}
	}
}
