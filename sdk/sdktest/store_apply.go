package sdktest

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/ramet-io/ramet/sdk"
)

// Codes of SQLite, see https://www.sqlite.org/rescode.html.
const (
	storeCodeError      = 1
	storeCodeForeignKey = 787
	storeCodePrimaryKey = 1555
	storeCodeTrigger    = 1811
)

var storeApplyCases = []storeCase{
	{"numbers and rows of the last statement", "", storeApplyNumbers},
	{"arguments by order and by name", "", storeApplyArgs},
	{"several statements in one text", "", storeApplyScript},
	{"a request is atomic", "", storeApplyAtomic},
	{"transaction control is refused", "", storeApplyControl},
	{"ended context", "", storeApplyCancelled},
	{"no requests", "", storeApplyNothing},
	{"what cannot be routed is refused", "", storeApplyRefused},
}

func storeApplyNumbers(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER)")
	if r := w.exec("INSERT INTO t(a) VALUES (10), (20), (30)"); r.RowsAffected != 3 || r.LastInsertID != 3 || r.Replayed {
		f.t.Errorf("insert of 3: %+v", r)
	}
	if r := w.exec("INSERT INTO t(a) VALUES (40)", "UPDATE t SET a = a + 1 WHERE id > 2"); r.RowsAffected != 2 {
		f.t.Errorf("update of 2: %+v", r)
	}
	if r := w.exec("DELETE FROM t WHERE id = 99"); r.RowsAffected != 0 {
		f.t.Errorf("delete of none: %+v", r)
	}
	r := w.must(sdk.Request{Statements: []sdk.Statement{
		{SQL: "INSERT INTO t(a) VALUES (50), (60) RETURNING id, a*2 AS twice", WantRows: true},
	}})
	if got := storeFlat(r.Rows); len(got) != 4 || got[0] != int64(5) || got[1] != int64(100) || got[2] != int64(6) || got[3] != int64(120) {
		f.t.Errorf("returned %v", got)
	}
	if len(r.Columns) != 2 || r.Columns[0].Name != "id" || r.Columns[1].Name != "twice" || r.RowsAffected != 2 || r.LastInsertID != 6 {
		f.t.Errorf("returning: %+v", r)
	}
	if r := w.exec("CREATE TABLE u(a)"); r.RowsAffected != 0 || len(r.Rows) != 0 {
		f.t.Errorf("a definition after inserts: %+v", r)
	}
}

func storeApplyArgs(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a, b, c)")
	w.must(sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?, ?2, ?1)", int64(1), "two")}})
	w.must(sdk.Request{Statements: []sdk.Statement{{
		SQL: "INSERT INTO t VALUES (:x, @y, $z)",
		Args: []driver.NamedValue{
			{Ordinal: 1, Name: "z", Value: "last"}, {Ordinal: 2, Name: "x", Value: int64(7)}, {Ordinal: 3, Name: "y", Value: nil},
		},
	}}})
	w.want("SELECT a, b, c FROM t", int64(1), "two", int64(1), int64(7), nil, "last")
	res := w.apply(sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?, ?, ?)", int64(1))}})[0]
	if res.Err == nil {
		f.t.Error("an argument was missing and the request succeeded")
	}
	w.want("SELECT count(*) FROM t", int64(2))
}

func storeApplyScript(f *storeFixture) {
	w := f.primary()
	r := w.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); -- a comment; with a semicolon
		CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = a || '!' WHERE id = new.id; SELECT 1; END;
		INSERT INTO t(a) VALUES ('a;b'), ('c');;`)
	if r.RowsAffected != 2 || r.LastInsertID != 2 {
		f.t.Errorf("numbers of the last statement: %+v", r)
	}
	w.want("SELECT a FROM t ORDER BY id", "a;b!", "c!")
	res := w.apply(storeTexts("INSERT INTO t(a) VALUES ('x'); INSERT INTO nowhere VALUES (1); INSERT INTO t(a) VALUES ('y')"))[0]
	storeWantSQL(f.t, "a text that fails in the middle", res.Err, storeCodeError)
	w.want("SELECT count(*) FROM t", int64(2))
}

func storeApplyAtomic(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	results := w.apply(
		storeTexts("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"),
		storeTexts("INSERT INTO t VALUES (3)", "CREATE TABLE half(a)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (4)"),
		storeTexts("INSERT INTO t VALUES (5)"),
		storeTexts("this is not SQL"),
		storeTexts("INSERT INTO t VALUES (6)"),
	)
	for i, fails := range []bool{false, true, false, true, false} {
		if (results[i].Err != nil) != fails {
			f.t.Errorf("request %d: %v", i, results[i].Err)
		}
	}
	storeWantSQL(f.t, "duplicate key", results[1].Err, storeCodePrimaryKey)
	storeWantSQL(f.t, "syntax error", results[3].Err, storeCodeError)
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(2), int64(5), int64(6))
	w.want("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", int64(0))
}

func storeApplyControl(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	for _, text := range []string{
		"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s", "/* x */ commit",
		"INSERT INTO t VALUES ('in a text'); COMMIT; BEGIN",
	} {
		results := w.apply(
			storeTexts("INSERT INTO t VALUES ('before')"),
			storeTexts("INSERT INTO t VALUES ('with it')", text),
			storeTexts("INSERT INTO t VALUES ('after')"),
		)
		storeWantError(f.t, text, results[1].Err, sdk.ErrInvalid)
		if results[0].Err != nil || results[2].Err != nil {
			f.t.Errorf("%s: its neighbours got %v and %v", text, results[0].Err, results[2].Err)
		}
	}
	w.want("SELECT count(*) FROM t WHERE a NOT IN ('before', 'after')", int64(0))
	w.want("SELECT count(*) FROM t", int64(20))
}

func storeApplyCancelled(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.db.Apply(ctx, w.epoch, []sdk.Request{storeWrite(1, "INSERT INTO t VALUES (1)")})
	if !errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		f.t.Errorf("apply with an ended context: %v", err)
	}
	w.want("SELECT count(*) FROM t", int64(0))
	if r := w.must(storeWrite(1, "INSERT INTO t VALUES (1)")); r.Replayed {
		f.t.Error("the cancelled write was recorded")
	}
}

func storeApplyNothing(f *storeFixture) {
	w := f.primary()
	if results := w.apply(); len(results) != 0 {
		f.t.Errorf("results of no requests: %v", results)
	}
	w.apply(sdk.Request{}, sdk.Request{Statements: []sdk.Statement{{SQL: " -- nothing\n"}}})
}

func storeApplyRefused(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	for _, text := range []string{
		"ATTACH ':memory:' AS other", "CREATE TEMP TABLE x(a)", "PRAGMA journal_mode = DELETE", "VACUUM INTO '" + f.path + ".copy'",
		"PRAGMA writable_schema = 1", "PRAGMA foreign_keys = OFF",
	} {
		results := w.apply(storeTexts("INSERT INTO t VALUES ('with it')", text), storeTexts("INSERT INTO t VALUES ('beside it')"))
		storeWantError(f.t, text, results[0].Err, sdk.ErrInvalid)
		if results[1].Err != nil {
			f.t.Errorf("%s: its neighbour got %v", text, results[1].Err)
		}
	}
	w.want("SELECT count(*) FROM t WHERE a = 'with it'", int64(0))
	w.want("PRAGMA journal_mode", "wal")
	w.want("PRAGMA foreign_keys", int64(1))
}

var storeGroupCases = []storeCase{
	{"a request that rolls the transaction back", "", storeGroupRollback},
	{"a deferred foreign key", "", storeGroupDeferred},
	{"a request that resolves its own foreign key", "", storeGroupResolved},
	{"many requests", "", storeGroupMany},
}

func storeGroupRollback(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)",
		"CREATE TRIGGER g BEFORE INSERT ON t WHEN new.a = 13 BEGIN SELECT RAISE(ROLLBACK, 'unlucky'); END")
	results := w.apply(
		storeWrite(1, "INSERT INTO t VALUES (1)"),
		storeWrite(2, "INSERT OR ROLLBACK INTO t VALUES (1)"),
		storeWrite(3, "INSERT INTO t VALUES (2)"),
		storeWrite(4, "INSERT INTO t VALUES (13)"),
		storeTexts("INSERT INTO t VALUES (3)", "INSERT OR ROLLBACK INTO t VALUES (2)", "INSERT INTO t VALUES (4)"),
		storeWrite(5, "INSERT INTO t VALUES (5)"),
	)
	storeWantSQL(f.t, "OR ROLLBACK", results[1].Err, storeCodePrimaryKey)
	storeWantSQL(f.t, "RAISE(ROLLBACK)", results[3].Err, storeCodeTrigger)
	storeWantSQL(f.t, "OR ROLLBACK after another statement", results[4].Err, storeCodePrimaryKey)
	for _, i := range []int{0, 2, 5} {
		if results[i].Err != nil || results[i].Replayed || results[i].RowsAffected != 1 {
			f.t.Errorf("request %d: %+v", i, results[i])
		}
	}
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(2), int64(5))
	storeWantOutcomes(w, map[uint64]error{1: nil, 2: sdk.ErrUnavailable, 3: nil, 4: sdk.ErrUnavailable, 5: nil})
}

func storeForeignKeys(w *storeWriter) {
	w.t.Helper()
	w.exec("CREATE TABLE parent(id INTEGER PRIMARY KEY)",
		"CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
}

func storeGroupDeferred(f *storeFixture) {
	w := f.primary()
	storeForeignKeys(w)
	results := w.apply(
		storeWrite(1, "INSERT INTO parent VALUES (1)"),
		storeWrite(2, "INSERT INTO child VALUES (1, 99)"),
		storeWrite(3, "INSERT INTO parent VALUES (99)"), // must not rescue the one before: it is atomic by itself
		storeWrite(4, "INSERT INTO child VALUES (2, 1)"),
	)
	storeWantSQL(f.t, "child without parent", results[1].Err, storeCodeForeignKey)
	for _, i := range []int{0, 2, 3} {
		if results[i].Err != nil {
			f.t.Errorf("request %d: %v", i, results[i].Err)
		}
	}
	w.want("SELECT id FROM child", int64(2))
	w.want("SELECT count(*) FROM parent", int64(2))
	res := w.apply(storeTexts("INSERT INTO child VALUES (7, 77)"))[0]
	storeWantSQL(f.t, "alone", res.Err, storeCodeForeignKey)
	w.want("SELECT id FROM child", int64(2))
	storeWantOutcomes(w, map[uint64]error{1: nil, 2: sdk.ErrUnavailable, 3: nil, 4: nil})
}

func storeGroupResolved(f *storeFixture) {
	w := f.primary()
	storeForeignKeys(w)
	w.exec("CREATE TABLE strict_child(p REFERENCES parent(id))")
	results := w.apply(
		storeTexts("INSERT INTO child VALUES (1, 5)", "INSERT INTO parent VALUES (5)"),
		storeTexts("PRAGMA defer_foreign_keys = ON", "INSERT INTO strict_child VALUES (6)", "INSERT INTO parent VALUES (6)"),
		storeTexts("INSERT INTO strict_child VALUES (7)", "INSERT INTO parent VALUES (7)"), // the pragma before was another's
	)
	if results[0].Err != nil || results[1].Err != nil {
		f.t.Errorf("resolved before the end: %v, %v", results[0].Err, results[1].Err)
	}
	storeWantSQL(f.t, "an immediate foreign key after another request's pragma", results[2].Err, storeCodeForeignKey)
	w.want("SELECT id FROM parent ORDER BY id", int64(5), int64(6))
}

func storeGroupMany(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	requests := make([]sdk.Request, 500)
	for i := range requests {
		requests[i] = storeWrite(uint64(i+1), "INSERT INTO t VALUES (?)", int64(i/2)) // each second one is a duplicate
	}
	for i, r := range w.apply(requests...) {
		if (r.Err != nil) != (i%2 == 1) {
			f.t.Fatalf("request %d: %v", i, r.Err)
		}
	}
	w.want("SELECT count(*), max(a) FROM t", int64(250), int64(249))
}
