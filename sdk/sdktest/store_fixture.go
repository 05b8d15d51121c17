package sdktest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// storePatience bounds each wait of the suite; nothing is timed.
const storePatience = 30 * time.Second

// storeFixture is one instance of the plugin and the place of its database.
type storeFixture struct {
	t    *testing.T
	p    sdk.Plugin
	info sdk.Info
	dir  string // canonical
	path string // of the database, in dir
	run  sdk.Running
}

// storeNew opens p over a fresh directory. Everything is closed with the test,
// and no goroutine may be left then.
func storeNew(t *testing.T, p sdk.Plugin) *storeFixture {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	NoLeaks(t)
	return storeInstance(t, p, filepath.Join(dir, "suite.db"))
}

// storeInstance opens p for the database at path.
func storeInstance(t *testing.T, p sdk.Plugin, path string) *storeFixture {
	t.Helper()
	dir := filepath.Dir(path)
	ctx, cancel := context.WithTimeout(context.Background(), storePatience)
	defer cancel()
	r, err := p.Open(ctx, sdk.Env{Workspace: sdk.Workspace{Dir: dir, StateDir: dir, DataPath: path, Key: "suite"}})
	if err != nil {
		t.Fatalf("open the plugin: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), storePatience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close the plugin: %v", err)
		}
	})
	return &storeFixture{t: t, p: p, info: p.Describe(), dir: dir, path: path, run: r}
}

// elsewhere is another instance over the same database.
func (f *storeFixture) elsewhere() *storeFixture {
	f.t.Helper()
	return storeInstance(f.t, f.p, f.path)
}

func (f *storeFixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), storePatience)
	f.t.Cleanup(cancel)
	return ctx
}

func (f *storeFixture) options(role sdk.Role) sdk.OpenOptions {
	return sdk.OpenOptions{Path: f.path, Role: role, ChangeLog: true}
}

// open opens the database as role; the plugin closes it with the test.
func (f *storeFixture) open(role sdk.Role) sdk.DB {
	f.t.Helper()
	return f.openWith(f.options(role))
}

func (f *storeFixture) openWith(o sdk.OpenOptions) sdk.DB {
	f.t.Helper()
	db, err := f.run.Store().Open(f.ctx(), o)
	if err != nil {
		f.t.Fatalf("open as %s: %v", o.Role, err)
	}
	return db
}

func (f *storeFixture) status(db sdk.DB) sdk.StoreStatus {
	f.t.Helper()
	s, err := db.Status(f.ctx())
	if err != nil {
		f.t.Fatalf("status: %v", err)
	}
	return s
}

func (f *storeFixture) close(db sdk.DB) {
	f.t.Helper()
	if err := db.Close(f.ctx()); err != nil {
		f.t.Fatalf("close: %v", err)
	}
}

// storeWriter is a database whose epoch was won.
type storeWriter struct {
	*storeFixture
	db    sdk.DB
	epoch uint64
	grant sdk.Grant
}

// primary opens the database for writing and wins the next epoch.
func (f *storeFixture) primary() *storeWriter {
	f.t.Helper()
	return f.primaryWith(f.options(sdk.Primary), sdk.Fence{})
}

// primaryWith is primary with what else to open and to ask; Observed is filled in.
func (f *storeFixture) primaryWith(o sdk.OpenOptions, fence sdk.Fence) *storeWriter {
	f.t.Helper()
	db := f.openWith(o)
	fence.Observed = f.status(db).Epoch
	if fence.Owner.Incarnation == "" {
		fence.Owner = sdk.Record{Instance: "suite", Incarnation: storeID(1).Incarnation, PID: 1, Program: "suite"}
	}
	g, err := db.Advance(f.ctx(), fence)
	if err != nil {
		f.t.Fatalf("advance: %v", err)
	}
	return &storeWriter{f, db, g.Epoch, g}
}

// apply applies requests; an error that concerns all of them ends the test.
func (w *storeWriter) apply(requests ...sdk.Request) []sdk.Result {
	w.t.Helper()
	results, err := w.db.Apply(w.ctx(), w.epoch, requests)
	if err != nil {
		w.t.Fatalf("apply: %v", err)
	}
	if len(results) != len(requests) {
		w.t.Fatalf("%d results for %d requests", len(results), len(requests))
	}
	return results
}

// exec applies one request of these texts, which must succeed.
func (w *storeWriter) exec(texts ...string) sdk.Result {
	w.t.Helper()
	return w.must(storeTexts(texts...))
}

// must applies one request, which must succeed.
func (w *storeWriter) must(r sdk.Request) sdk.Result {
	w.t.Helper()
	res := w.apply(r)[0]
	if res.Err != nil {
		w.t.Fatalf("%s: %v", r.Statements[0].SQL, res.Err)
	}
	return res
}

// rows reads all rows of a text.
func (w *storeWriter) rows(text string, args ...driver.Value) [][]driver.Value {
	w.t.Helper()
	return storeRows(w.storeFixture, w.db, text, args...)
}

// want fails unless the text gives these values, row after row.
func (w *storeWriter) want(text string, values ...driver.Value) {
	w.t.Helper()
	storeWantRows(w.storeFixture, w.db, text, values...)
}

func storeWantRows(f *storeFixture, db sdk.DB, text string, values ...driver.Value) {
	f.t.Helper()
	if got := storeFlat(storeRows(f, db, text)); !slices.Equal(got, values) {
		f.t.Errorf("%s: got %v, want %v", text, got, values)
	}
}

// storeFlat puts rows behind each other. The values must be comparable.
func storeFlat(rows [][]driver.Value) []driver.Value {
	var flat []driver.Value
	for _, r := range rows {
		flat = append(flat, r...)
	}
	return flat
}

func storeRows(f *storeFixture, db sdk.DB, text string, args ...driver.Value) [][]driver.Value {
	f.t.Helper()
	r, err := db.Query(f.ctx(), sdk.Query{Statement: storeStmt(text, args...)})
	if err != nil {
		f.t.Fatalf("%s: %v", text, err)
	}
	return storeDrain(f, r)
}

// storeDrain reads r to its end and closes it.
func storeDrain(f *storeFixture, r sdk.Rows) [][]driver.Value {
	f.t.Helper()
	var all [][]driver.Value
	for {
		b, err := r.Next(f.ctx())
		if err == io.EOF {
			break
		}
		if err != nil {
			f.t.Fatalf("next block: %v", err)
		}
		all = append(all, b.Rows...)
		if b.Last {
			break
		}
	}
	if err := r.Close(); err != nil {
		f.t.Fatalf("close rows: %v", err)
	}
	return all
}

func storeStmt(text string, args ...driver.Value) sdk.Statement {
	s := sdk.Statement{SQL: text}
	for i, v := range args {
		s.Args = append(s.Args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s
}

// storeTexts is one request of several statements.
func storeTexts(texts ...string) sdk.Request {
	var r sdk.Request
	for _, text := range texts {
		r.Statements = append(r.Statements, storeStmt(text))
	}
	return r
}

// storeWrite is a request with a write id.
func storeWrite(sequence uint64, text string, args ...driver.Value) sdk.Request {
	return sdk.Request{ID: storeID(sequence), Statements: []sdk.Statement{storeStmt(text, args...)}}
}

func storeID(sequence uint64) sdk.WriteID {
	return sdk.WriteID{Incarnation: fmt.Sprintf("%032x", 0xabc), Sequence: sequence}
}

func storeWantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// storeWantSQL fails unless err is of the engine, with one of the extended codes.
func storeWantSQL(t *testing.T, what string, err error, codes ...int) {
	t.Helper()
	var e *sdk.SQLError
	if !errors.As(err, &e) || !slices.Contains(codes, e.Extended) {
		t.Errorf("%s: got error %v, want *SQLError with a code of %v", what, err, codes)
	}
}
