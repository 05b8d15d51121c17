package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var storeQueryCases = []storeCase{
	{"columns", "", storeQueryColumns},
	{"no rows", "", storeQueryEmpty},
	{"a large result comes in blocks", "", storeQueryBlocks},
	{"closed before its end", "", storeQueryEarly},
	{"sees what was acknowledged", "", storeQueryFresh},
	{"does not write", "", storeQueryReadOnly},
	{"errors of the engine", "", storeQueryErrors},
	{"ended context", "", storeQueryCancelled},
	{"rows outlive the context of their query", "", storeQueryOutlivesContext},
	{"cut off in the first row", "", storeQueryCutFirst},
	{"cut off between later rows", "", storeQueryCutLater},
	{"fresh after the schema changed", "", storeQuerySchema},
}

func storeQueryColumns(f *storeFixture) {
	w := f.primary()
	w.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(20), "odd ""name" BLOB)`, `INSERT INTO t VALUES (1, 'x', NULL)`)
	r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(`SELECT id, name AS n, "odd ""name", id + 1 AS next FROM t`)})
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, c := range r.Columns() {
		got = append(got, c.Name+" "+strings.ToUpper(c.DeclType))
	}
	if want := `id INTEGER|n VARCHAR(20)|odd "name BLOB|next `; strings.Join(got, "|") != want {
		f.t.Errorf("columns %q, want %q", strings.Join(got, "|"), want)
	}
	storeDrain(f, r)
}

func storeQueryEmpty(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER)")
	r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt("SELECT a FROM t")})
	if err != nil {
		f.t.Fatal(err)
	}
	if c := r.Columns(); len(c) != 1 || c[0].Name != "a" {
		f.t.Errorf("columns of an empty result: %v", c)
	}
	if got := storeDrain(f, r); len(got) != 0 {
		f.t.Errorf("rows %v", got)
	}
	for range 2 { // Close is idempotent
		if err := r.Close(); err != nil {
			f.t.Error(err)
		}
	}
}

// storeSeries gives n rows of a number and 100 bytes.
func storeSeries(n int) string {
	return fmt.Sprintf(`WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < %d) SELECT x, printf('%%0100d', x) FROM s`, n)
}

func storeQueryBlocks(f *storeFixture) {
	w := f.primary()
	const n = 5000
	r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(storeSeries(n))})
	if err != nil {
		f.t.Fatal(err)
	}
	blocks, next := 0, int64(1)
	for {
		b, err := r.Next(f.ctx())
		if err == io.EOF {
			break
		}
		if err != nil {
			f.t.Fatal(err)
		}
		blocks++
		if len(b.Rows) > n/2 {
			f.t.Errorf("block %d has %d rows of 100 bytes, want about 64 KiB", blocks, len(b.Rows))
		}
		for _, row := range b.Rows {
			if row[0] != next || row[1] != fmt.Sprintf("%0100d", next) {
				f.t.Fatalf("row %d is %v", next, row)
			}
			next++
		}
		if b.Last {
			if _, err := r.Next(f.ctx()); err != io.EOF {
				f.t.Errorf("after the last block: %v, want io.EOF", err)
			}
			break
		}
	}
	if blocks < 3 || next != n+1 {
		f.t.Errorf("%d rows in %d blocks", next-1, blocks)
	}
	if err := r.Close(); err != nil {
		f.t.Error(err)
	}
}

func storeQueryEarly(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	for range 50 { // more than any pool has connections
		r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(storeSeries(5000))})
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := r.Next(f.ctx()); err != nil {
			f.t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			f.t.Fatal(err)
		}
		if _, err := r.Next(f.ctx()); err == nil {
			f.t.Fatal("rows go on after Close")
		}
	}
	w.exec("INSERT INTO t VALUES (1)")
	w.want("SELECT a FROM t", int64(1))
}

func storeQueryFresh(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (0)")
	other := f.elsewhere()
	reader := other.open(sdk.Secondary)
	held, err := reader.Query(f.ctx(), sdk.Query{Statement: storeStmt(storeSeries(5000))}) // open rows do not pin what others see
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	for i := int64(1); i <= 200; i++ {
		w.exec("UPDATE t SET a = a + 1")
		if got := storeRows(other, reader, "SELECT a FROM t"); got[0][0] != i {
			f.t.Fatalf("after write %d was acknowledged another instance reads %v", i, got)
		}
	}
}

func storeQueryReadOnly(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	for _, text := range []string{
		"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1) RETURNING a", "DELETE FROM t", "UPDATE t SET a = 1",
		"WITH x(a) AS (SELECT 1) INSERT INTO t SELECT a FROM x", "CREATE TABLE u(a)", "DROP TABLE t", "SELECT 1; INSERT INTO t VALUES (1)",
		"INSERT INTO t VALUES (1); SELECT 1", "PRAGMA user_version = 5",
	} {
		for _, db := range []sdk.DB{w.db, f.open(sdk.Secondary)} {
			r, err := db.Query(f.ctx(), sdk.Query{Statement: storeStmt(text)})
			if err == nil {
				_ = r.Close()
			}
			storeWantError(f.t, text, err, sdk.ErrReadOnly)
		}
	}
	w.want("SELECT count(*) FROM t", int64(0))
	w.want("PRAGMA user_version", int64(0))
}

func storeQueryErrors(f *storeFixture) {
	w := f.primary()
	for _, text := range []string{"SELEC 1", "SELECT * FROM nowhere", "SELECT no_such_function()"} {
		_, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(text)})
		storeWantSQL(f.t, text, err, storeCodeError)
	}
	// An error after some rows is an error of Next, and the rows before it were right.
	text := "SELECT x, CASE WHEN x > 2000 THEN abs(-9223372036854775808) END FROM (" + storeSeries(2500) + ")"
	r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(text)})
	for err == nil {
		var b sdk.Block
		if b, err = r.Next(f.ctx()); b.Last {
			f.t.Fatal("a result that fails in the middle came to its end")
		}
	}
	storeWantSQL(f.t, "in the middle", err, storeCodeError)
	if r != nil {
		storeWantCut(f, r)
	}
	w.want("SELECT 1", int64(1))
}

// storeQueryOutlivesContext ends the context of Query as soon as it has returned.
func storeQueryOutlivesContext(f *storeFixture) {
	w := f.primary()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := w.db.Query(ctx, sdk.Query{Statement: storeStmt(storeSeries(20_000))})
	cancel()
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	count := 0
	for {
		b, err := r.Next(f.ctx())
		count += len(b.Rows)
		if errors.Is(err, io.EOF) || err == nil && b.Last {
			break
		}
		if err != nil {
			f.t.Fatalf("after %d rows: %v", count, err)
		}
	}
	if count != 20_000 {
		f.t.Errorf("got %d rows, want 20000", count)
	}
}

func storeQueryCancelled(f *storeFixture) {
	w := f.primary()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := w.db.Query(ctx, sdk.Query{Statement: storeStmt("SELECT 1")})
	if err == nil {
		_, err = r.Next(ctx)
		_ = r.Close()
	}
	storeWantEnded(f, "a read with an ended context", err)
	w.want("SELECT 1", int64(1))
}

// storeWantEnded accepts the context's error and what says that nothing was done.
func storeWantEnded(f *storeFixture, what string, err error) {
	f.t.Helper()
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, sdk.ErrUnavailable) {
		f.t.Errorf("%s: %v, want the context's error or %v", what, err, sdk.ErrUnavailable)
	}
}

// storeSlow counts far enough to take seconds, but ends by itself so that a
// store which cannot cut it off fails and does not hang.
const storeSlow = "(WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 20000000) SELECT count(*) FROM s)"

func storeCut(f *storeFixture, text string) {
	w := f.primary()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	r, err := w.db.Query(ctx, sdk.Query{Statement: storeStmt(text)})
	for err == nil {
		var b sdk.Block
		if b, err = r.Next(ctx); b.Last {
			err = io.EOF
		}
	}
	storeWantEnded(f, "a read of seconds", err)
	if r != nil {
		storeWantCut(f, r)
	}
	w.want("SELECT 1", int64(1))
}

// storeWantCut checks that rows which ended with an error never look complete.
func storeWantCut(f *storeFixture, r sdk.Rows) {
	f.t.Helper()
	for range 2 {
		if b, err := r.Next(f.ctx()); err == nil || err == io.EOF {
			f.t.Errorf("after an error Next gave %d rows and %v", len(b.Rows), err)
		}
	}
	if err := r.Close(); err != nil {
		f.t.Error(err)
	}
}

func storeQueryCutFirst(f *storeFixture) { storeCut(f, "SELECT "+storeSlow) }

// Each row takes a while and all of them seconds, though they fit in few blocks.
func storeQueryCutLater(f *storeFixture) {
	row := "(WITH RECURSIVE s(y) AS (SELECT x UNION ALL SELECT y + 1 FROM s WHERE y < x + 10000) SELECT count(*) FROM s)"
	storeCut(f, "SELECT x, "+row+" FROM ("+storeSeries(2000)+")")
}

func storeQuerySchema(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	reader := f.elsewhere().open(sdk.Secondary)
	for range 3 {
		storeWantRows(f, reader, "SELECT * FROM t", int64(1))
	}
	w.exec("ALTER TABLE t ADD COLUMN b DEFAULT 'new'")
	storeWantRows(f, reader, "SELECT * FROM t", int64(1), "new")
	w.exec("DROP TABLE t", "CREATE TABLE t(only)", "INSERT INTO t VALUES ('other')")
	storeWantRows(f, reader, "SELECT * FROM t", "other")
}

var storeLevelCases = []storeCase{
	{"linearizable", sdk.CapLinearizable, storeLevelLinearizable},
	{"unknown", "", storeLevelUnknown},
}

func storeLevelLinearizable(f *storeFixture) {
	old := f.primary()
	old.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	q := sdk.Query{Statement: storeStmt("SELECT a FROM t"), Level: sdk.ReadLinearizable, Epoch: old.epoch}
	r, err := old.db.Query(f.ctx(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	if got := storeFlat(storeDrain(f, r)); len(got) != 1 || got[0] != int64(1) {
		f.t.Errorf("read %v", got)
	}
	f.elsewhere().primary()
	_, err = old.db.Query(f.ctx(), q)
	storeWantError(f.t, "a linearizable read of an old primary", err, sdk.ErrFenced)
	q.Level = sdk.ReadLocal
	if r, err = old.db.Query(f.ctx(), q); err != nil {
		f.t.Fatalf("a local read of an old primary: %v", err)
	}
	storeDrain(f, r)
}

func storeLevelUnknown(f *storeFixture) {
	w := f.primary()
	_, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt("SELECT 1"), Level: 99})
	storeWantError(f.t, "read level 99", err, sdk.ErrUnsupported)
}
