package forward

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// held makes the next Apply wait inside the store until release.
func (w *world) held() (entered chan struct{}, release func()) {
	entered = make(chan struct{})
	gate := make(chan struct{})
	var once sync.Once
	w.gate.hook(func([]sdk.Request) { once.Do(func() { close(entered) }); <-gate })
	release = sync.OnceFunc(func() { close(gate) })
	w.t.Cleanup(release)
	return entered, release
}

// apply queues one increment and returns where its error will be.
func apply(ctx context.Context, w *Writer, r sdk.Request) chan error {
	if r.Statements == nil {
		r.Statements = []sdk.Statement{stmt(increment)}
	}
	done := make(chan error, 1)
	go func() {
		res, err := w.Apply(ctx, r)
		done <- errors.Join(err, res.Err)
	}()
	return done
}

// queued waits until n calls wait for their turn.
func queued(t *testing.T, w *Writer, n int) {
	t.Helper()
	until(t, func() bool {
		w.queue.mu.Lock()
		defer w.queue.mu.Unlock()
		return len(w.queue.items) == n
	})
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition never came")
		}
	}
}

func TestGroupGathersWhileTheLastOneCommits(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	wr := w.target.Local
	entered, release := w.held()
	waits := []chan error{apply(t.Context(), wr, sdk.Request{})}
	<-entered
	for range 10 {
		waits = append(waits, apply(t.Context(), wr, sdk.Request{}))
	}
	queued(t, wr, 10)
	var sizes []int
	w.gate.hook(func(r []sdk.Request) { sizes = append(sizes, len(r)) })
	release()
	for _, c := range waits {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	if len(sizes) != 1 || sizes[0] != 10 {
		t.Errorf("groups of %v, want one of 10", sizes)
	}
	w.counter(11)
}

func TestOneTimeoutNeverFailsNeighbours(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	wr := w.target.Local
	entered, release := w.held()
	running := apply(t.Context(), wr, sdk.Request{})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	before, gone, after := apply(t.Context(), wr, sdk.Request{}), apply(ctx, wr, sdk.Request{}), apply(t.Context(), wr, sdk.Request{})
	queued(t, wr, 3)
	cancel()
	err := <-gone
	is(t, err, sdk.ErrUnavailable, context.Canceled)
	isNot(t, err, sdk.ErrOutcomeUnknown)
	release()
	for _, c := range []chan error{running, before, after} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	w.counter(3)
}

func TestDeadlineDuringCommitIsUnknownAfterTheGrace(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	entered, release := w.held()
	leader := apply(t.Context(), w.target.Local, sdk.Request{})
	<-entered
	committed, gate := make(chan struct{}), make(chan struct{})
	w.gate.hook(nil)
	ctx, cancel := context.WithCancel(t.Context())
	id := sdk.WriteID{Incarnation: incarnation, Sequence: 9}
	done := apply(ctx, w.target.Local, sdk.Request{ID: id})
	queued(t, w.target.Local, 1)
	w.gate.afterwards(func() { close(committed); <-gate })
	release()
	if err := <-leader; err != nil {
		t.Error(err)
	}
	<-committed
	cancel()
	err := <-done
	is(t, err, sdk.ErrOutcomeUnknown, context.Canceled)
	isNot(t, err, sdk.ErrUnavailable)
	close(gate)
	if res, err := w.target.Local.Outcome(t.Context(), id); err != nil || !res.Replayed {
		t.Errorf("outcome %+v, %v; it is asked behind the commit", res, err)
	}
}

func TestForeignWriterHoldsTheDatabase(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	plain, err := sql.Open("sqlite", "file:"+w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	conn, err := plain.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var attempts atomic.Int64
	w.gate.hook(func([]sdk.Request) { attempts.Add(1) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	patient, short := apply(t.Context(), w.target.Local, sdk.Request{}), apply(ctx, w.target.Local, sdk.Request{})
	err = <-short
	is(t, err, sdk.ErrUnavailable)
	isNot(t, err, sdk.ErrOutcomeUnknown)
	until(t, func() bool { return attempts.Load() >= 3 }) // the patient one has been tried again
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-patient; err != nil {
		t.Error(err)
	}
	w.counter(1)
}

func TestWriteReportedFailedIsNotAppliedByALateCopy(t *testing.T) {
	w := newWorld(t)
	wr := w.target.Local
	r := sdk.Request{ID: sdk.WriteID{Incarnation: incarnation, Sequence: 1}, Statements: []sdk.Statement{stmt("INSERT INTO c VALUES (1, 7)")}}
	for _, between := range []string{"DELETE FROM c", "DELETE FROM c"} {
		res, err := wr.Apply(t.Context(), r)
		var e *sdk.SQLError
		if err != nil || !errors.As(res.Err, &e) {
			t.Fatalf("%+v, %v", res, err)
		}
		exec(t, wr, between) // now it would succeed
	}
	absent := sdk.WriteID{Incarnation: incarnation, Sequence: 2}
	_, err := wr.Outcome(t.Context(), absent)
	is(t, err, sdk.ErrUnavailable)
	is(t, <-apply(t.Context(), wr, sdk.Request{ID: absent}), sdk.ErrUnavailable)
	if n := w.value("SELECT count(*) FROM c"); n != int64(0) {
		t.Errorf("%v rows of writes that were declared not applied", n)
	}
}

func TestFencedWriterSaysSoOnceAndRefuses(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	old := w.target.Local
	w.promote(WriterOptions{})
	err := <-apply(t.Context(), old, sdk.Request{})
	is(t, err, sdk.ErrFenced)
	is(t, <-w.fatal, sdk.ErrFenced)
	is(t, <-apply(t.Context(), old, sdk.Request{}), sdk.ErrNotPrimary)
	_, err = old.Begin(t.Context(), sdk.TxOptions{})
	is(t, err, sdk.ErrNotPrimary)
	w.counter(0)
	select {
	case err := <-w.fatal:
		t.Errorf("told twice: %v", err)
	default:
	}
}

func TestCloseDuringLoadLosesNoAnswer(t *testing.T) {
	sdktest.NoLeaks(t)
	w := newWorld(t)
	wr := w.target.Local
	var acked atomic.Int64
	var all sync.WaitGroup
	enough := make(chan struct{})
	for range 8 {
		all.Go(func() {
			for {
				if err := <-apply(t.Context(), wr, sdk.Request{}); err != nil {
					is(t, err, sdk.ErrNotPrimary)
					isNot(t, err, sdk.ErrOutcomeUnknown)
					return
				}
				if acked.Add(1) == 100 {
					close(enough)
				}
			}
		})
	}
	<-enough
	for range 2 {
		if err := wr.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	w.counter(acked.Load())
}

func TestCloseSaysWhenTheStoreHangs(t *testing.T) {
	w := newWorld(t)
	entered, release := w.held()
	done := apply(t.Context(), w.target.Local, sdk.Request{})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	is(t, w.target.Local.Close(ctx), sdk.ErrUnclean)
	release()
	<-done
}

func TestFullQueueRefusesAsNotExecuted(t *testing.T) {
	q := newQueue()
	for range maxQueue {
		if err := q.push(newItem(t.Context(), kindApply)); err != nil {
			t.Fatal(err)
		}
	}
	is(t, q.push(newItem(t.Context(), kindApply)), sdk.ErrUnavailable)

	q = newQueue()
	big := func() *item {
		it := newItem(t.Context(), kindApply)
		it.req.Statements = []sdk.Statement{stmt("x", make([]byte, 150<<20))}
		return it
	}
	kept, refused := big(), big()
	if err := q.push(kept); err != nil {
		t.Fatal(err)
	}
	is(t, q.push(refused), sdk.ErrUnavailable)
	q.withdraw(kept)
	if err := q.push(refused); err != nil {
		t.Error(err)
	}
	if q.take(10); q.bytes != 0 {
		t.Errorf("%d bytes wait in an empty queue", q.bytes)
	}
}

func TestCommittedIsToldInOrder(t *testing.T) {
	w := newWorld(t)
	var rows []uint64
	wr := w.promote(WriterOptions{Committed: func(p sdk.Position) { rows = append(rows, p.Row) }})
	exec(t, wr, increment)
	exec(t, wr, "UPDATE c SET n = 0 WHERE id = 99")
	tx, err := wr.Begin(t.Context(), sdk.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), stmt(increment)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context(), sdk.Request{}); err != nil {
		t.Fatal(err)
	}
	exec(t, wr, increment)
	if err := wr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || rows[0] >= rows[1] || rows[1] >= rows[2] {
		t.Errorf("told %v, want three rising positions", rows)
	}
}

func TestGarbageFromALinkIsRefused(t *testing.T) {
	w := newWorld(t)
	wr := w.target.Local
	for _, op := range []string{opApply, opOutcome, opBegin, opExec, opQuery, opNext, opCloseRows, opCommit} {
		if _, known, err := wr.Handle(t.Context(), sdk.Peer{Session: "s"}, sdk.Message{Op: op, Body: []byte{0xff, 0x01, 0x80}}); !known || err == nil {
			t.Errorf("%s: known %v, %v", op, known, err)
		}
	}
	_, _, err := wr.Handle(t.Context(), sdk.Peer{}, sdk.Message{Op: opApply, Epoch: wr.Epoch() + 1})
	is(t, err, sdk.ErrNotPrimary)
	if _, known, _ := wr.Handle(t.Context(), sdk.Peer{}, sdk.Message{Op: "bus.call"}); known {
		t.Error("another's operation was taken")
	}
}

func FuzzBodies(f *testing.F) {
	f.Add(txCall{tx: 1, rows: 2, body: []byte("x")}.append(nil))
	f.Add(rowsReply{rows: 1, columns: []sdk.Column{{Name: "n"}}}.append(nil))
	f.Add(outcomeReply{applied: true, result: sdk.Result{Err: sdk.ErrResultGone}}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeTxCall(b)
		decodeRowsReply(b)
		decodeOutcomeReply(b)
	})
}
