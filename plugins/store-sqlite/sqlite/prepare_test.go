package sqlite

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func TestPrepareSaysWhatATextIs(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "CREATE VIEW v AS SELECT a FROM t")
	s := open(t, d.path, sdk.Secondary)
	for _, c := range []struct {
		text    string
		kind    sdk.Kind
		n       int
		params  int
		returns bool
	}{
		{"SELECT a FROM t WHERE a = ? AND b = ?", sdk.KindRead, 1, 2, true},
		{"SELECT ?3, :x, :x, @y, '?', \"a\" FROM t -- ?", sdk.KindRead, 1, 5, true},
		{"select 1;  -- end", sdk.KindRead, 1, 0, true},
		{"SELECT 1; SELECT 2", sdk.KindRead, 2, -1, true},
		{"WITH x AS (SELECT 1) SELECT * FROM v, x", sdk.KindRead, 1, 0, true},
		{"WITH x AS (SELECT 1) INSERT INTO t(b) SELECT * FROM x", sdk.KindWrite, 1, 0, false},
		{"INSERT INTO t(b) VALUES (?) RETURNING a", sdk.KindWrite, 1, 1, true},
		{"UPDATE t SET b = 1", sdk.KindWrite, 1, 0, false},
		{"SELECT 1; DELETE FROM t", sdk.KindWrite, 2, -1, false},
		{"CREATE TABLE n(a); INSERT INTO n VALUES (1)", sdk.KindWrite, 2, -1, false},
		{"CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END;", sdk.KindWrite, 1, 0, false},
		{"CREATE VIRTUAL TABLE f USING fts5(x)", sdk.KindWrite, 1, 0, false},
		{"ALTER TABLE t ADD COLUMN c", sdk.KindWrite, 1, 0, false},
		{"ALTER TABLE t RENAME TO u", sdk.KindWrite, 1, 0, false},
		{"ALTER TABLE t RENAME COLUMN b TO d", sdk.KindWrite, 1, 0, false},
		{"DROP TABLE t", sdk.KindWrite, 1, 0, false},
		{"CREATE TABLE n AS SELECT * FROM t", sdk.KindWrite, 1, 0, false},
		{"REINDEX", sdk.KindWrite, 1, 0, false},
		{"ANALYZE", sdk.KindWrite, 1, 0, false},
		{"EXPLAIN QUERY PLAN DELETE FROM t", sdk.KindRead, 1, 0, true},
		{"EXPLAIN SELECT 1", sdk.KindRead, 1, 0, true},
		{"PRAGMA table_info(t)", sdk.KindRead, 1, 0, true},
		{"PRAGMA user_version", sdk.KindRead, 1, 0, true},
		{"PRAGMA user_version = 3", sdk.KindWrite, 1, 0, false},
		{"PRAGMA foreign_keys = ON", sdk.KindRead, 1, 0, false},
		{"PRAGMA busy_timeout = 5000", sdk.KindRead, 1, 0, false},
		{"PRAGMA foreign_keys = OFF", sdk.KindRefused, 1, -1, false},
		{"PRAGMA journal_mode = DELETE", sdk.KindRefused, 1, -1, false},
		{"PRAGMA wal_checkpoint(TRUNCATE)", sdk.KindRefused, 1, -1, false},
		{"SELECT 1; PRAGMA writable_schema = 1", sdk.KindRefused, 2, -1, false},
		{"ATTACH 'x.db' AS x", sdk.KindRefused, 1, -1, false},
		{"CREATE TEMP TABLE x(a)", sdk.KindRefused, 1, -1, false},
		{"CREATE TABLE temp.x(a)", sdk.KindRefused, 1, -1, false},
		{"/* hi */ VACUUM INTO 'x.db'", sdk.KindRefused, 1, -1, false},
		{"BEGIN IMMEDIATE", sdk.KindControl, 1, 0, false},
		{"COMMIT", sdk.KindControl, 1, 0, false},
		{"ROLLBACK TO x", sdk.KindControl, 1, 0, false},
		{"BEGIN; DELETE FROM t; COMMIT", sdk.KindRefused, 3, -1, false},
		{" -- nothing\n;;", sdk.KindRead, 0, 0, false},
	} {
		for range 2 {
			p, err := s.Prepare(bounded(t), c.text)
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
			want := sdk.Prepared{Kind: c.kind, Statements: c.n, Params: c.params, Returns: c.returns, Reason: p.Reason}
			if p != want || (p.Reason == "") == (c.kind == sdk.KindRefused) {
				t.Errorf("%s: got %+v, want %+v", c.text, p, want)
			}
		}
	}
	_, err := s.Prepare(bounded(t), "SELEC 1")
	wantSQL(t, err, 1)
	if sdk.CodeOf(err) != 0 {
		t.Errorf("a text that does not compile gives %v", err)
	}
	_, err = s.Prepare(bounded(t), "DELETE FROM ramet_meta")
	wantSQL(t, err, codeAuth)
	if got := query(t, s, "PRAGMA foreign_keys"); got[0][0] != int64(1) {
		t.Errorf("foreign_keys is %v: Prepare executed something", got)
	}
}

func TestQueryRefusesWrites(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	for _, text := range []string{"DELETE FROM t", "SELECT 1; DELETE FROM t", "INSERT INTO t VALUES (1) RETURNING a", "PRAGMA user_version = 1"} {
		_, err := d.Query(bounded(t), sdk.Query{Statement: stmt(text)})
		wantError(t, err, sdk.ErrReadOnly)
	}
	for _, text := range []string{"BEGIN", "ATTACH ':memory:' AS m", "CREATE TEMP TABLE x(a)", "SELECT ?"} {
		_, err := d.Query(bounded(t), sdk.Query{Statement: stmt(text)})
		wantError(t, err, sdk.ErrInvalid)
	}
	_, err := d.Query(bounded(t), sdk.Query{Statement: stmt("SELECT x FROM t")})
	wantSQL(t, err, 1)
	_, err = d.Query(bounded(t), sdk.Query{Statement: stmt("SELECT 1"), Level: 9})
	wantError(t, err, sdk.ErrUnsupported)
	if got := query(t, d, "EXPLAIN DELETE FROM t"); len(got) == 0 {
		t.Error("EXPLAIN gave nothing")
	}
	if got := query(t, d, "PRAGMA busy_timeout = 5000"); len(got) != 0 {
		t.Errorf("a PRAGMA without effect gave %v", got)
	}
}

func TestLargeResultComesInBlocks(t *testing.T) {
	d, _ := primary(t)
	text := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 20000) SELECT i, 'some text' FROM n"
	r, err := d.Query(bounded(t), sdk.Query{Statement: stmt(text)})
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.Next(bounded(t))
	if err != nil || first.Last || len(first.Rows) > 4000 {
		t.Fatalf("first block: %d rows, last %v, %v", len(first.Rows), first.Last, err)
	}
	rest := drain(t, r)
	if n := len(first.Rows) + len(rest); n != 20000 || rest[len(rest)-1][0] != int64(20000) || first.Rows[0][0] != int64(1) {
		t.Errorf("%d rows", n)
	}
	if _, err := d.Query(bounded(t), sdk.Query{Statement: stmt(text), Level: sdk.ReadLinearizable, Epoch: 1}); err != nil {
		t.Error(err) // left open: closing the store ends it
	}
}

func TestCancelledReadStops(t *testing.T) {
	d, _ := primary(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := d.Query(ctx, sdk.Query{Statement: stmt("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n")})
	wantError(t, err, context.DeadlineExceeded)
	if got := query(t, d, "SELECT 1"); got[0][0] != int64(1) {
		t.Error("the connection does not work any more")
	}
}

// TestIfExistsIsAWriteWhateverExists: it was classified as a read by a connection
// that did not know the object yet, and kept so, and then failed as "attempt to
// write a readonly database".
func TestIfExistsIsAWriteWhateverExists(t *testing.T) {
	d, epoch := primary(t)
	texts := []string{
		"CREATE TABLE IF NOT EXISTS a(x)", "CREATE INDEX IF NOT EXISTS ax ON a(x)", "CREATE VIEW IF NOT EXISTS v AS SELECT * FROM a",
		"CREATE TRIGGER IF NOT EXISTS tr AFTER INSERT ON a BEGIN SELECT 1; END",
		"DROP TRIGGER IF EXISTS tr", "DROP VIEW IF EXISTS v", "DROP INDEX IF EXISTS ax", "DROP TABLE IF EXISTS a",
	}
	for range 2 {
		for _, text := range texts {
			for range 2 { // there, and not there
				p, err := d.Prepare(bounded(t), text)
				if err != nil && strings.HasPrefix(text, "CREATE") { // its table is not there
					t.Fatalf("%s: %v", text, err)
				}
				if p.Kind != sdk.KindWrite {
					t.Errorf("%s: kind %d, want a write", text, p.Kind)
				}
				must(t, d, epoch, text)
			}
		}
	}
	if n := query(t, d, "SELECT count(*) FROM sqlite_master")[0][0]; n != int64(0) {
		t.Errorf("%v objects are left", n)
	}
}
