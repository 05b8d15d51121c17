package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

const (
	senderA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	senderB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// bounded returns a context that no test should outlive.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newStore(t *testing.T) sdk.Store {
	t.Helper()
	r, err := New().Open(bounded(t), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r.Store()
}

func open(t *testing.T, path string, role sdk.Role) *db {
	t.Helper()
	d, err := newStore(t).Open(bounded(t), sdk.OpenOptions{Path: path, Role: role, ChangeLog: true})
	if err != nil {
		t.Fatal(err)
	}
	return d.(*db)
}

// primary opens a new database and wins an epoch in it.
func primary(t *testing.T) (*db, uint64) {
	t.Helper()
	d := open(t, filepath.Join(t.TempDir(), "a.db"), sdk.Primary)
	return d, advance(t, d).Epoch
}

func advance(t *testing.T, d *db) sdk.Grant {
	t.Helper()
	ctx := bounded(t)
	st, err := d.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Advance(ctx, sdk.Fence{Observed: st.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func stmt(text string, args ...driver.Value) sdk.Statement {
	return sdk.Statement{SQL: text, Args: named(args)}
}

func request(texts ...string) sdk.Request {
	var r sdk.Request
	for _, s := range texts {
		r.Statements = append(r.Statements, stmt(s))
	}
	return r
}

// must applies texts as one request that has to succeed.
func must(t *testing.T, d *db, epoch uint64, texts ...string) sdk.Result {
	t.Helper()
	res, err := d.Apply(bounded(t), epoch, []sdk.Request{request(texts...)})
	if err != nil {
		t.Fatal(err)
	}
	if res[0].Err != nil {
		t.Fatal(res[0].Err)
	}
	return res[0]
}

func query(t *testing.T, d *db, text string, args ...driver.Value) [][]driver.Value {
	t.Helper()
	r, err := d.Query(bounded(t), sdk.Query{Statement: stmt(text, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return drain(t, r)
}

func drain(t *testing.T, r sdk.Rows) [][]driver.Value {
	t.Helper()
	var all [][]driver.Value
	for {
		b, err := r.Next(bounded(t))
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Rows...)
		if b.Last {
			break
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func count(t *testing.T, d *db, table string) int64 {
	t.Helper()
	return query(t, d, "SELECT count(*) FROM "+table)[0][0].(int64)
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func wantSQL(t *testing.T, got error, code int) {
	t.Helper()
	var e *sdk.SQLError
	if !errors.As(got, &e) || e.Extended != code {
		t.Fatalf("got %v, want the engine's error %d", got, code)
	}
}

func TestWriteIsReadEverywhere(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
	res, err := d.Apply(bounded(t), epoch, []sdk.Request{{Statements: []sdk.Statement{stmt("INSERT INTO t(b) VALUES (?), (?)", "x", "y")}}})
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	if res[0].RowsAffected != 2 || res[0].LastInsertID != 2 {
		t.Errorf("got %+v", res[0])
	}
	s := open(t, d.path, sdk.Secondary)
	if n := count(t, s, "t"); n != 2 {
		t.Errorf("the secondary sees %d rows, want 2", n)
	}
	if _, err := s.Apply(bounded(t), epoch, nil); !errors.Is(err, sdk.ErrReadOnly) {
		t.Errorf("Apply on a secondary: %v", err)
	}
	st, err := s.Status(bounded(t))
	if err != nil || st.Epoch != epoch || st.Newest.Row != 2 || !strings.HasPrefix(st.Engine, "SQLite 3.") {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestTransactionCommitsAndRollsBack(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
	ctx := bounded(t)
	tx, err := d.Begin(ctx, epoch, sdk.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, stmt("INSERT INTO t(b) VALUES ('x')")); err != nil {
		t.Fatal(err)
	}
	r, err := tx.Query(ctx, stmt("SELECT b FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); len(got) != 1 {
		t.Errorf("the transaction sees %v", got)
	}
	if n := count(t, d, "t"); n != 0 {
		t.Errorf("others see %d uncommitted rows", n)
	}
	res, err := tx.Commit(ctx, sdk.Request{ID: sdk.WriteID{Incarnation: senderA, Sequence: 1}})
	if err != nil || res.Position.Row == 0 {
		t.Fatal(res, err)
	}
	if _, err := d.Outcome(ctx, epoch, sdk.WriteID{Incarnation: senderA, Sequence: 1}); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Error(err)
	}
	if n := count(t, d, "t"); n != 1 {
		t.Errorf("%d rows after commit", n)
	}
}
