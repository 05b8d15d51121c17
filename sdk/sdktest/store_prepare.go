package sdktest

import (
	"github.com/ramet-io/ramet/sdk"
)

var storePrepareCases = []storeCase{
	{"says what a text is", "", storePrepareKinds},
	{"runs nothing", "", storePrepareInert},
	{"refuses with a reason", "", storePrepareRefused},
	{"what does not compile", "", storePrepareErrors},
	{"counts parameters and rows", "", storePrepareShape},
	{"follows the schema", "", storePrepareSchema},
}

// storePrepared sets up the tables that the texts of the cases name.
func storePrepared(f *storeFixture) *storeWriter {
	f.t.Helper()
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)", "CREATE VIEW v AS SELECT a FROM t",
		"CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t(a) VALUES (new.a); END", "INSERT INTO t VALUES (1, 'kept')")
	return w
}

func storePrepareKinds(f *storeFixture) {
	w := storePrepared(f)
	kinds := map[sdk.Kind][]string{
		sdk.KindRead: {
			"SELECT 1", "select a from t", "  \n\t SELECT 1 ;", "-- INSERT\nSELECT 1", "/* INSERT */ SELECT 1", "VALUES (1)", "SELECT a FROM v",
			"WITH x AS (SELECT 1) SELECT * FROM x", "WITH insert_ AS (SELECT 'DELETE FROM t') SELECT * FROM insert_",
			"EXPLAIN INSERT INTO t(a) VALUES (1)", "EXPLAIN QUERY PLAN DELETE FROM t", "PRAGMA table_info(t)", "PRAGMA user_version",
			"PRAGMA foreign_keys", "SELECT * FROM pragma_table_info('t')", "SELECT 1; SELECT 2", "SELECT 'a;b'", "", "-- nothing", ";",
		},
		sdk.KindWrite: {
			"INSERT INTO t(a) VALUES (1)", "-- SELECT\nINSERT INTO t(a) VALUES (1)", "/* SELECT */ DELETE FROM t", "UPDATE t SET a = 1",
			"REPLACE INTO t VALUES (1, 2)", "WITH x(a) AS (SELECT 1) INSERT INTO t(a) SELECT a FROM x",
			"WITH x(a) AS (SELECT 1) DELETE FROM t WHERE a IN x", "INSERT INTO t(a) VALUES (1) RETURNING id", "INSERT INTO v VALUES (1)",
			"CREATE TABLE u(a)", "CREATE TABLE IF NOT EXISTS t(a)", "DROP TABLE t", "ALTER TABLE t ADD COLUMN b", "CREATE INDEX i ON t(a)",
			"CREATE VIEW w AS SELECT 1", "REINDEX", "ANALYZE", "SELECT 1; DELETE FROM t", "DELETE FROM t; SELECT 1",
			"CREATE TABLE u(a); INSERT INTO u VALUES (1)", "PRAGMA user_version = 3",
			"CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE VIRTUAL TABLE ft USING fts5(x)",
		},
		sdk.KindControl: {
			"BEGIN", "begin immediate", "BEGIN EXCLUSIVE TRANSACTION", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s",
			"ROLLBACK TO s", "-- x\nCOMMIT;", "/* y */ BEGIN",
		},
		sdk.KindRefused: {
			"ATTACH ':memory:' AS m", "DETACH m", "CREATE TEMP TABLE x(a)", "CREATE TEMPORARY VIEW x AS SELECT 1",
			"VACUUM INTO '/nowhere/at/all'", "PRAGMA journal_mode = DELETE", "PRAGMA writable_schema = ON", "PRAGMA foreign_keys = OFF",
			"PRAGMA locking_mode = EXCLUSIVE", "BEGIN; INSERT INTO t(a) VALUES (1); COMMIT", "SELECT 1; ATTACH ':memory:' AS m",
		},
	}
	for _, db := range []sdk.DB{w.db, f.elsewhere().open(sdk.Secondary)} {
		for kind, texts := range kinds {
			for _, text := range texts {
				for range 2 { // the second answer may come from a cache
					p, err := db.Prepare(f.ctx(), text)
					if err != nil {
						f.t.Errorf("%q: %v", text, err)
					} else if p.Kind != kind {
						f.t.Errorf("%q is of kind %d (%s), want %d", text, p.Kind, p.Reason, kind)
					}
				}
			}
		}
	}
	w.want("SELECT id, a FROM t", int64(1), "kept")
}

func storePrepareInert(f *storeFixture) {
	w := storePrepared(f)
	before := f.status(w.db)
	for _, text := range []string{"DELETE FROM t", "DROP TABLE t", "PRAGMA user_version = 9", "BEGIN", "PRAGMA journal_mode = DELETE", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		_, _ = w.db.Prepare(f.ctx(), text)
	}
	w.exec("INSERT INTO t VALUES (2, 'written')")
	w.want("SELECT a FROM t ORDER BY id", "kept", "written")
	w.want("PRAGMA user_version", int64(0))
	w.want("PRAGMA journal_mode", "wal")
	if after := f.status(w.db); after.Epoch != before.Epoch {
		f.t.Errorf("epoch %d, was %d", after.Epoch, before.Epoch)
	}
}

func storePrepareRefused(f *storeFixture) {
	w := storePrepared(f)
	for _, text := range []string{"ATTACH ':memory:' AS m", "CREATE TEMP TABLE x(a)", "PRAGMA journal_mode = DELETE", "PRAGMA no_such_pragma = 1"} {
		p, err := w.db.Prepare(f.ctx(), text)
		if err != nil || p.Kind != sdk.KindRefused || len(p.Reason) < 20 {
			f.t.Errorf("%q: %+v, %v; want refused and why", text, p, err)
		}
	}
}

func storePrepareErrors(f *storeFixture) {
	w := storePrepared(f)
	for _, text := range []string{"SELEC 1", "SELECT * FROM nowhere", "INSERT INTO t(nope) VALUES (1)", "SELECT 1; SELEC 2", "SELECT '", "SELECT 1 SELECT 2"} {
		_, err := w.db.Prepare(f.ctx(), text)
		storeWantSQL(f.t, text, err, storeCodeError)
	}
}

func storePrepareShape(f *storeFixture) {
	w := storePrepared(f)
	for _, c := range []struct {
		text               string
		statements, params int
		returns            bool
	}{
		{"SELECT 1", 1, 0, true},
		{"SELECT ?, ?", 1, 2, true},
		{"SELECT ?5", 1, 5, true},
		{"SELECT :a, @b, $c, :a", 1, 3, true},
		{"SELECT '?', \"a\" -- ?\n FROM t /* ? */ WHERE a = ?", 1, 1, true},
		{"INSERT INTO t(a) VALUES (?)", 1, 1, false},
		{"INSERT INTO t(a) VALUES (?) RETURNING id", 1, 1, true},
		{"UPDATE t SET a = ?2 WHERE id = ?1", 1, 2, false},
		{"CREATE TABLE u(a)", 1, 0, false},
		{"SELECT ?; DELETE FROM t", 2, -1, false},
		{"DELETE FROM t; SELECT 1;", 2, -1, true},
		{"CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END; SELECT 3", 2, -1, true},
		{"", 0, 0, false},
		{" ; -- x", 0, 0, false},
	} {
		p, err := w.db.Prepare(f.ctx(), c.text)
		if err != nil || p.Statements != c.statements || p.Params != c.params || p.Returns != c.returns {
			f.t.Errorf("%q: %+v, %v; want %d statements, %d parameters, returns %v", c.text, p, err, c.statements, c.params, c.returns)
		}
	}
}

func storePrepareSchema(f *storeFixture) {
	w := storePrepared(f)
	reader := f.elsewhere().open(sdk.Secondary)
	_, err := reader.Prepare(f.ctx(), "SELECT a FROM later")
	storeWantSQL(f.t, "before the table exists", err, storeCodeError)
	w.exec("CREATE TABLE later(a)")
	if p, err := reader.Prepare(f.ctx(), "SELECT a FROM later"); err != nil || p.Kind != sdk.KindRead {
		f.t.Errorf("after the table was created: %+v, %v", p, err)
	}
}
