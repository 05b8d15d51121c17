package forward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func incr(ctx context.Context, c *Client) (int64, error) {
	res, err := c.Write(ctx, []sdk.Statement{stmt(increment)})
	if err != nil {
		return 0, err
	}
	return res.Rows[0][0].(int64), nil
}

func TestOneIncrementAppliedOnceDespiteRetries(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 1))
	draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
	chaos := func(string) loss {
		switch draw(10) {
		case 0:
			return loseCall
		case 1:
			return loseReply
		case 2:
			return loseSent
		case 3:
			return refuseNow
		}
		return deliver
	}
	w.link().lose(chaos)
	stop := make(chan struct{})
	var kernel, clients sync.WaitGroup
	kernel.Go(func() { // reopens links that broke, and promotes now and then
		for n := 0; ; n++ {
			w.mu.Lock()
			l := w.target.Link.(*fakeLink)
			w.mu.Unlock()
			select {
			case <-l.gone:
				if draw(10) == 0 {
					w.promote(WriterOptions{})
				}
				w.link().lose(chaos)
			case <-stop:
				return
			}
		}
	})
	var seen sync.Map
	const workers, each = 4, 60
	for k := range workers {
		c := NewClient(w, fmt.Sprintf("%032x", k+1), 20*time.Second)
		defer c.Close()
		clients.Go(func() {
			for range each {
				n, err := incr(t.Context(), c)
				if err != nil {
					t.Errorf("increment: %v", err)
				} else if _, twice := seen.LoadOrStore(n, true); twice {
					t.Errorf("two writes returned %d", n)
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	kernel.Wait()
	w.counter(workers * each)
}

func TestLostReplyIsReplayedWithItsRows(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	l := w.link().lose(first(opApply, loseReply))
	go func() { <-l.gone; w.link() }()
	if n, err := incr(t.Context(), c); err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
	w.counter(1)
}

func TestNeverSentIsUnavailableNotUnknown(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	w.link().lose(func(string) loss { return refuseNow })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := incr(ctx, c)
	is(t, err, sdk.ErrUnavailable, context.DeadlineExceeded)
	isNot(t, err, sdk.ErrOutcomeUnknown)
	w.counter(0)
	if f := c.ids.floor(time.Now()); f != 1 {
		t.Errorf("floor %d, want 1: nobody can ask about a write that was never sent", f)
	}
}

func TestUnknownAtDeadlineNamesTheWriteAndHoldsTheFloor(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	w.link().lose(first(opApply, loseReply))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := incr(ctx, c)
	is(t, err, sdk.ErrOutcomeUnknown, context.DeadlineExceeded)
	isNot(t, err, sdk.ErrUnavailable, sdk.ErrNotPrimary)
	var u *sdk.OutcomeUnknownError
	if !errors.As(err, &u) || u.ID != (sdk.WriteID{Incarnation: incarnation, Sequence: 1}) {
		t.Fatalf("error %v names no write", err)
	}
	w.link()
	if n, err := incr(t.Context(), c); err != nil || n != 2 {
		t.Fatalf("got %d, %v", n, err)
	}
	if f := c.ids.floor(time.Now()); f != 0 {
		t.Errorf("floor %d passed an unknown write", f)
	}
	if res, err := c.Outcome(t.Context(), u.ID); err != nil || !res.Replayed {
		t.Errorf("outcome %+v, %v", res, err)
	}
	if f := c.ids.floor(time.Now()); f != 2 {
		t.Errorf("floor %d, want 2 once it was asked", f)
	}
}

func TestPrimarySwitchInMidCall(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	entered, release := make(chan struct{}), make(chan struct{})
	w.gate.hook(func([]sdk.Request) { close(entered); <-release }) // the primary is stopped in mid-call
	old := w.link()
	done := make(chan error, 1)
	go func() { _, err := incr(context.Background(), c); done <- err }()
	<-entered
	w.promote(WriterOptions{})
	w.link()
	go old.breakNow()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.counter(1)
	close(release) // it goes on, and its own transaction refuses it
	is(t, <-w.fatal, sdk.ErrFenced)
	w.counter(1)
}

func TestForeignLineageIsNeverResent(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	l := w.link().lose(first(opApply, loseSent))
	go func() {
		<-l.gone
		w.mu.Lock()
		next := w.target
		w.mu.Unlock()
		next.Lineage, next.Local, next.Link = "restored", l.writer, nil
		w.set(next, nil)
	}()
	_, err := incr(t.Context(), c)
	is(t, err, sdk.ErrOutcomeUnknown)
	w.counter(0)
}

func TestStatementErrorComesBackTypedOnEveryRole(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	for _, role := range []string{"primary", "secondary"} {
		_, err := c.Write(t.Context(), []sdk.Statement{stmt("INSERT INTO c VALUES (1, 1)")})
		var e *sdk.SQLError
		if !errors.As(err, &e) || e.Code() != 1555 {
			t.Errorf("%s: %v", role, err)
		}
		w.link()
	}
}

func TestNoPrimaryCanComeFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.none = fmt.Errorf("%w: no candidate", sdk.ErrUnavailable)
	_, err := incr(t.Context(), c)
	is(t, err, sdk.ErrUnavailable)
	_, err = c.Begin(t.Context(), sdk.TxOptions{})
	is(t, err, sdk.ErrUnavailable)
	c.Close()
	_, err = incr(t.Context(), c)
	is(t, err, sdk.ErrClosed)
}

func TestFloorPrunesTheRecordsOfAnsweredWrites(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.link()
	for range 50 {
		if _, err := incr(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.value("SELECT count(*) FROM ramet_writes").(int64); n > 2 {
		t.Errorf("%d records are kept of answered writes", n)
	}
}

func TestResultTooLargeForAMessageIsAppliedNotRefused(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.link()
	_, err := c.Write(t.Context(), []sdk.Statement{stmt("UPDATE c SET n = n + 1 RETURNING zeroblob(17000000)")})
	is(t, err, sdk.ErrResultGone)
	w.counter(1)
	_, err = c.Write(t.Context(), []sdk.Statement{stmt("UPDATE c SET n = length(?)", make([]byte, 17_000_000))})
	is(t, err, sdk.ErrInvalid)
	w.counter(1)
}

func TestUnknownStopsHoldingTheFloorAfterItsRetention(t *testing.T) {
	s := newIDs(incarnation)
	now := time.Now()
	a, b := s.draw(), s.draw()
	s.settle(b)
	if f := s.floor(now); f != 0 {
		t.Errorf("floor %d while the first is open", f)
	}
	s.keep(a, "l", now)
	if f := s.floor(now.Add(unknownRetention - 1)); f != 0 {
		t.Errorf("floor %d before the retention ended", f)
	}
	if f := s.floor(now.Add(unknownRetention)); f != 2 {
		t.Errorf("floor %d after the retention, want 2", f)
	}
}

func TestLocalWritesTakeNoRecord(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	if n, err := incr(t.Context(), c); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if n := w.value("SELECT count(*) FROM ramet_writes"); n != int64(0) {
		t.Errorf("%v records", n)
	}
}

func TestLocalPrimaryStepsDownDuringLoad(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	var acked atomic.Int64
	var all sync.WaitGroup
	half := make(chan struct{})
	for range 8 {
		all.Go(func() {
			for range 40 {
				if _, err := incr(t.Context(), c); err != nil {
					t.Error(err)
				} else if acked.Add(1) == 160 {
					close(half)
				}
			}
		})
	}
	<-half
	old := w.target.Local
	if err := old.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w.promote(WriterOptions{})
	w.link()
	all.Wait()
	w.counter(320)
}

func TestFailedCommitIsUnknownLocallyAndAskedRemotely(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	c := w.client()
	broken := &sdk.OutcomeUnknownError{Cause: &sdk.SQLError{Extended: 1034, Text: "disk I/O error"}}
	w.gate.fail = broken
	_, err := incr(t.Context(), c)
	is(t, err, sdk.ErrOutcomeUnknown)
	var e *sdk.SQLError
	if !errors.As(err, &e) {
		t.Errorf("%v hides the cause", err)
	}
	is(t, <-w.fatal, sdk.ErrOutcomeUnknown)
	w.promote(WriterOptions{})
	w.gate.fail = broken
	old := w.link()
	go func() {
		<-w.fatal
		w.promote(WriterOptions{})
		w.link()
		old.breakNow()
	}()
	if n, err := incr(t.Context(), c); err != nil || n != 2 {
		t.Errorf("got %d, %v; the next primary knows", n, err)
	}
	w.counter(2)
}

func TestFullDiskFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.gate.fail = fmt.Errorf("%w: %w", sdk.ErrUnavailable, &sdk.SQLError{Extended: 13, Text: "database or disk is full"})
	for range 2 {
		_, err := incr(t.Context(), w.client())
		var e *sdk.SQLError
		if !errors.As(err, &e) || e.Code() != 13 {
			t.Errorf("got %v", err)
		}
		w.link()
	}
}
