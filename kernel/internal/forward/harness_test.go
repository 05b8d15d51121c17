package forward

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
)

const incarnation = "00112233445566778899aabbccddeeff"

// world is a real database with one primary at a time and a Route to it.
type world struct {
	t     *testing.T
	store sdk.Store
	path  string
	fatal chan error

	mu      sync.Mutex
	target  Target
	gate    *gateDB
	changed chan struct{}
	none    error // Primary's error, if set
	links   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	run, err := sqlite.New().Open(t.Context(), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close(context.Background()) })
	w := &world{t: t, store: run.Store(), path: filepath.Join(t.TempDir(), "w.db"), changed: make(chan struct{}), fatal: make(chan error, 16)}
	writer := w.promote(WriterOptions{})
	exec(t, writer, "CREATE TABLE c(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
	exec(t, writer, "INSERT INTO c VALUES (1, 0)")
	return w
}

// gateDB is the real database with hooks around Apply.
type gateDB struct {
	sdk.DB
	mu     sync.Mutex
	before func(requests []sdk.Request)
	fail   error  // of Apply, although it committed
	after  func() // once the commit is done, before the answer
}

func (g *gateDB) hook(f func([]sdk.Request)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = f
}

func (g *gateDB) afterwards(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = f
}

func (g *gateDB) Apply(ctx context.Context, epoch uint64, r []sdk.Request) ([]sdk.Result, error) {
	g.mu.Lock()
	before, after, fail := g.before, g.after, g.fail
	g.mu.Unlock()
	if before != nil {
		before(r)
	}
	if after != nil {
		defer after()
	}
	if fail != nil {
		g.DB.Apply(ctx, epoch, r)
		return nil, fail
	}
	return g.DB.Apply(ctx, epoch, r)
}

// promote opens the store anew, wins the next epoch and makes its writer the
// route's local target. The old writer is left as it is, like a stopped process.
func (w *world) promote(o WriterOptions) *Writer {
	w.t.Helper()
	ctx := w.t.Context()
	db, err := w.store.Open(ctx, sdk.OpenOptions{Path: w.path, Role: sdk.Primary, Durability: sdk.DurabilityProcess, ChangeLog: true})
	if err != nil {
		w.t.Fatal(err)
	}
	st, err := db.Status(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := db.Advance(ctx, sdk.Fence{Observed: st.Epoch, Owner: sdk.Record{Incarnation: incarnation}})
	if err != nil {
		w.t.Fatal(err)
	}
	gate := &gateDB{DB: db}
	if o.Fatal == nil {
		o.Fatal = func(err error) { w.fatal <- err }
	}
	writer := NewWriter(gate, g.Epoch, g.Lineage, o)
	w.t.Cleanup(func() {
		if err := writer.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
		db.Close(context.Background())
	})
	w.set(Target{Epoch: g.Epoch, Lineage: g.Lineage, Local: writer}, gate)
	return writer
}

func (w *world) set(t Target, gate *gateDB) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Generation = w.target.Generation + 1
	w.target = t
	if gate != nil {
		w.gate = gate
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// link makes the present local writer the target, over a new link.
func (w *world) link() *fakeLink {
	w.mu.Lock()
	t := w.target
	writer := t.Local
	if l, ok := t.Link.(*fakeLink); ok {
		writer = l.writer
	}
	w.links++
	l := &fakeLink{writer: writer, peer: sdk.Peer{Session: fmt.Sprint("s", w.links)}, gone: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	w.mu.Unlock()
	w.t.Cleanup(l.breakNow)
	t.Local, t.Link = nil, l
	w.set(t, nil)
	return l
}

func (w *world) Primary(ctx context.Context, after uint64) (Target, error) {
	for {
		w.mu.Lock()
		t, changed, none := w.target, w.changed, w.none
		w.mu.Unlock()
		if none != nil {
			return Target{}, none
		}
		if t.Generation > after {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Target{}, ctx.Err()
		}
	}
}

// fakeLink calls a Writer's Handle and can lose requests and replies.
type fakeLink struct {
	writer *Writer
	peer   sdk.Peer

	ctx    context.Context // the session
	cancel context.CancelFunc
	once   sync.Once
	gone   chan struct{}
	calls  sync.WaitGroup

	mu   sync.Mutex
	loss func(op string) loss
}

type loss int

const (
	deliver   loss = iota
	loseCall       // the link breaks before the call is sent
	loseSent       // it breaks after the call was sent; the call never arrives
	loseReply      // it breaks after the call was executed
	refuseNow      // not sent, the link stays
)

func (l *fakeLink) lose(f func(op string) loss) *fakeLink {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss = f
	return l
}

func (l *fakeLink) breakNow() {
	l.once.Do(func() {
		l.mu.Lock()
		close(l.gone) // under mu: no call starts afterwards
		l.mu.Unlock()
		l.cancel()
		l.writer.Ended(l.peer)
	})
	l.calls.Wait()
}

func (l *fakeLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	l.mu.Lock()
	f := l.loss
	l.mu.Unlock()
	what := deliver
	if f != nil {
		what = f(m.Op)
	}
	select {
	case <-l.gone:
		return nil, fmt.Errorf("%w: the link is gone", sdk.ErrUnavailable)
	default:
	}
	switch what {
	case loseCall:
		go l.breakNow()
		<-l.gone
		return nil, fmt.Errorf("%w: the link broke", sdk.ErrUnavailable)
	case loseSent:
		go l.breakNow()
		<-l.gone
		return nil, &sdk.OutcomeUnknownError{Cause: io.ErrUnexpectedEOF}
	case refuseNow:
		return nil, fmt.Errorf("%w: not now", sdk.ErrUnavailable)
	}
	type outcome struct {
		b   []byte
		err error
	}
	done := make(chan outcome, 1)
	m.Body = append([]byte(nil), m.Body...)
	l.mu.Lock()
	select {
	case <-l.gone:
		l.mu.Unlock()
		return nil, fmt.Errorf("%w: the link is gone", sdk.ErrUnavailable)
	default:
	}
	l.calls.Go(func() {
		hctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		b, known, err := l.writer.Handle(hctx, l.peer, m)
		if !known {
			err = fmt.Errorf("%w: %s", sdk.ErrUnsupported, m.Op)
		}
		done <- outcome{b, err}
	})
	l.mu.Unlock()
	select {
	case o := <-done:
		if what == loseReply {
			go l.breakNow()
			<-l.gone
			return nil, &sdk.OutcomeUnknownError{Cause: io.ErrUnexpectedEOF}
		}
		return o.b, o.err
	case <-ctx.Done():
		return nil, &sdk.OutcomeUnknownError{Cause: ctx.Err()}
	case <-l.gone:
		return nil, &sdk.OutcomeUnknownError{Cause: io.ErrUnexpectedEOF}
	}
}

func (l *fakeLink) Wait(ctx context.Context) error {
	select {
	case <-l.gone:
		return fmt.Errorf("%w: the link broke", sdk.ErrUnavailable)
	default:
	}
	select {
	case <-l.gone:
		return fmt.Errorf("%w: the link broke", sdk.ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (l *fakeLink) Server() sdk.Peer                         { return sdk.Peer{} }
func (l *fakeLink) Publish(context.Context, sdk.Event) error { return sdk.ErrUnsupported }
func (l *fakeLink) Close(context.Context) error              { l.breakNow(); return nil }
func (l *fakeLink) Subscribe(context.Context, string) (sdk.Subscription, error) {
	return nil, sdk.ErrUnsupported
}

// first loses what once, at the first call of op.
func first(op string, what loss) func(string) loss {
	var once sync.Once
	return func(have string) (l loss) {
		if have == op {
			once.Do(func() { l = what })
		}
		return l
	}
}

func (w *world) client() *Client {
	c := NewClient(w, incarnation, 10*time.Second)
	w.t.Cleanup(c.Close)
	return c
}

func stmt(sql string, args ...any) sdk.Statement {
	s := sdk.Statement{SQL: sql, WantRows: strings.Contains(sql, "RETURNING")}
	for i, a := range args {
		s.Args = append(s.Args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s
}

const increment = "UPDATE c SET n = n + 1 WHERE id = 1 RETURNING n"

func exec(t *testing.T, w *Writer, sql string, args ...any) sdk.Result {
	t.Helper()
	res, err := w.Apply(t.Context(), sdk.Request{Statements: []sdk.Statement{stmt(sql, args...)}})
	if err = errors.Join(err, res.Err); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return res
}

// value reads one value from what is committed.
func (w *world) value(sql string) any {
	w.t.Helper()
	w.mu.Lock()
	db := w.gate.DB
	w.mu.Unlock()
	rows, err := db.Query(w.t.Context(), sdk.Query{Statement: stmt(sql)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	b, err := rows.Next(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Rows[0][0]
}

func (w *world) counter(want int64) {
	w.t.Helper()
	if got := w.value("SELECT n FROM c WHERE id = 1"); got != want {
		w.t.Errorf("counter is %v, want %d", got, want)
	}
}

func is(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, e := range want {
		if !errors.Is(err, e) {
			t.Errorf("error is %v, want %v", err, e)
		}
	}
}

func isNot(t *testing.T, err error, not ...error) {
	t.Helper()
	for _, e := range not {
		if errors.Is(err, e) {
			t.Errorf("error %v also matches %v", err, e)
		}
	}
}
