package sqlroute

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"modernc.org/sqlite"
)

// engine is a Backend on a real SQLite file: one writer and a pool of readers, as
// the kernel's, without the way between processes.
type engine struct {
	write, read *sql.DB
	writer      *sql.Conn
	turn        chan struct{} // holds the writer
	begun       atomic.Int64
	reads       atomic.Int64
	writes      atomic.Int64
	mu          sync.Mutex
	fail        error // the next call that sends fails with it
}

func dsn(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "t.db")
	u := url.URL{Scheme: "file", Opaque: path, RawQuery: "_pragma=journal_mode(wal)&_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)"}
	return u.String()
}

// newEngine returns a backend and its routed handle.
func newEngine(t testing.TB) (*engine, *sql.DB) {
	t.Helper()
	name := dsn(t)
	before := runtime.NumGoroutine()
	e := &engine{turn: make(chan struct{}, 1)}
	var err error
	if e.write, err = sql.Open("sqlite", name); err != nil {
		t.Fatal(err)
	}
	if e.writer, err = e.write.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e.read, err = sql.Open("sqlite", name); err != nil {
		t.Fatal(err)
	}
	db := Open(e)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		select {
		case e.turn <- struct{}{}:
		default:
			t.Error("the writer is still held after Close")
		}
		e.writer.Close()
		e.write.Close()
		e.read.Close()
		noLeak(t, before)
	})
	return e, db
}

func noLeak(t testing.TB, before int) {
	for end := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		if runtime.NumGoroutine() <= before {
			return
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}

func (e *engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.fail
	e.fail = nil
	return err
}

func (e *engine) setFailure(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

func (e *engine) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	all := split(text)
	p := sdk.Prepared{Kind: sdk.KindRead, Statements: len(all), Params: -1}
	for _, s := range all {
		switch {
		case s.is(0, "ATTACH"), s.is(0, "PRAGMA") && s.is(2, "="):
			p.Kind, p.Reason = sdk.KindRefused, "not through the routed handle"
			return p, nil
		case s.is(0, "SELECT"), s.is(0, "VALUES"), s.is(0, "PRAGMA"), s.is(0, "EXPLAIN"):
		case s.is(0, "WITH") && !s.writesAfterWith():
		default:
			p.Kind = sdk.KindWrite
		}
	}
	if len(all) > 1 {
		return p, nil
	}
	c, err := e.read.Conn(ctx)
	if err != nil {
		return p, err
	}
	defer c.Close()
	return p, translate(c.Raw(func(dc any) error {
		s, err := dc.(driver.Conn).Prepare(text)
		if err != nil {
			return err
		}
		return s.Close()
	}))
}

func (s statement) writesAfterWith() bool {
	for i := range s.tokens {
		if s.is(i, "INSERT") || s.is(i, "UPDATE") || s.is(i, "DELETE") {
			return true
		}
	}
	return false
}

func (e *engine) Read(ctx context.Context, s sdk.Statement) (Reading, error) {
	e.reads.Add(1)
	if err := e.failure(); err != nil {
		return Reading{}, err
	}
	rows, err := open(ctx, e.read, s)
	if err != nil {
		return Reading{}, err
	}
	return First(ctx, rows)
}

func (e *engine) Write(ctx context.Context, all []sdk.Statement) (sdk.Result, error) {
	e.writes.Add(1)
	if err := e.failure(); err != nil {
		return sdk.Result{}, err
	}
	tx, err := e.Begin(ctx, sdk.TxOptions{})
	if err != nil {
		return sdk.Result{}, err
	}
	defer tx.Rollback(ctx)
	var r sdk.Result
	for _, s := range all {
		if r, err = tx.Exec(ctx, s); err != nil {
			return r, err
		}
	}
	_, err = tx.Commit(ctx, sdk.Request{})
	return r, err
}

func (e *engine) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	e.begun.Add(1)
	if err := e.failure(); err != nil {
		return nil, err
	}
	if o.ReadOnly {
		c, err := e.read.Conn(ctx)
		if err == nil {
			_, err = c.ExecContext(ctx, "BEGIN; SELECT * FROM sqlite_schema")
		}
		return &engineTx{c: c, end: func() { c.Close() }}, err
	}
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := e.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		<-e.turn
		return nil, translate(err)
	}
	return &engineTx{c: e.writer, end: func() { <-e.turn }}, nil
}

type engineTx struct {
	c    *sql.Conn
	end  func()
	lost bool
	over bool
}

// check finds out whether the engine ended the transaction by itself.
func (t *engineTx) check(err error) error {
	if err == nil {
		return nil
	}
	if _, begun := t.c.ExecContext(context.Background(), "BEGIN"); begun == nil {
		t.lost = true
		t.c.ExecContext(context.Background(), "ROLLBACK")
	}
	return translate(err)
}

func (t *engineTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	if t.lost || t.over {
		return sdk.Result{}, sdk.ErrTxLost
	}
	var r sdk.Result
	if s.WantRows {
		from, err := open(ctx, t.c, s)
		if err != nil {
			return r, t.check(err)
		}
		defer from.Close()
		r.Columns = from.Columns()
		for b := (sdk.Block{}); !b.Last; r.Rows = append(r.Rows, b.Rows...) {
			if b, err = from.Next(ctx); err != nil {
				return r, t.check(err)
			}
		}
		from.Close()
		err = t.c.QueryRowContext(ctx, "SELECT changes(), last_insert_rowid()").Scan(&r.RowsAffected, &r.LastInsertID)
		return r, err
	}
	done, err := t.c.ExecContext(ctx, s.SQL, arguments(s.Args)...)
	if err != nil {
		return r, t.check(err)
	}
	r.RowsAffected, _ = done.RowsAffected()
	r.LastInsertID, _ = done.LastInsertId()
	return r, nil
}

func (t *engineTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	if t.lost || t.over {
		return nil, sdk.ErrTxLost
	}
	r, err := open(ctx, t.c, s)
	return r, err
}

func (t *engineTx) Commit(ctx context.Context, _ sdk.Request) (sdk.Result, error) {
	if t.lost || t.over {
		return sdk.Result{}, sdk.ErrTxLost
	}
	if _, err := t.c.ExecContext(ctx, "COMMIT"); err != nil {
		return sdk.Result{}, translate(err)
	}
	t.over = true
	t.end()
	return sdk.Result{}, nil
}

func (t *engineTx) Rollback(ctx context.Context) error {
	if t.over {
		return nil
	}
	t.over = true
	defer t.end()
	if t.lost {
		return nil
	}
	_, err := t.c.ExecContext(ctx, "ROLLBACK")
	return translate(err)
}

// engineRows serves blocks of two rows, so that tests cross blocks.
type engineRows struct {
	r       *sql.Rows
	columns []sdk.Column
	last    bool
}

type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func open(ctx context.Context, q querier, s sdk.Statement) (sdk.Rows, error) {
	r, err := q.QueryContext(ctx, s.SQL, arguments(s.Args)...)
	if err != nil {
		return nil, translate(err)
	}
	types, err := r.ColumnTypes()
	if err != nil {
		r.Close()
		return nil, translate(err)
	}
	e := &engineRows{r: r}
	for _, c := range types {
		e.columns = append(e.columns, sdk.Column{Name: c.Name(), DeclType: c.DatabaseTypeName()})
	}
	return e, nil
}

func (r *engineRows) Columns() []sdk.Column { return r.columns }

func (r *engineRows) Next(context.Context) (sdk.Block, error) {
	if r.last {
		return sdk.Block{}, io.EOF
	}
	var b sdk.Block
	for len(b.Rows) < 2 && r.r.Next() {
		row := make([]driver.Value, len(r.columns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = (*any)(&row[i])
		}
		if err := r.r.Scan(to...); err != nil {
			return b, err
		}
		b.Rows = append(b.Rows, row)
	}
	r.last = len(b.Rows) < 2
	b.Last = r.last
	return b, translate(r.r.Err())
}

func (r *engineRows) Close() error { return r.r.Close() }

func arguments(all []driver.NamedValue) []any {
	out := make([]any, len(all))
	for i, a := range all {
		if out[i] = a.Value; a.Name != "" {
			out[i] = sql.Named(a.Name, a.Value)
		}
	}
	return out
}

// translate makes the contract's error of the driver's.
func translate(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return &sdk.SQLError{Extended: e.Code(), Text: e.Error()}
	}
	return err
}

func must(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, text string, args ...any) sql.Result {
	t.Helper()
	r, err := db.ExecContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func count(t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, table string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*) FROM %s", table)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func pin(t testing.TB, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// refused checks the kind of an error and that database/sql will not retry.
func refused(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) || errors.Is(err, driver.ErrBadConn) {
		t.Errorf("got %v, want %v", err, kind)
	}
}
