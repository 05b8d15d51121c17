package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func apply(t *testing.T, d *db, epoch uint64, requests ...sdk.Request) []sdk.Result {
	t.Helper()
	res, err := d.Apply(bounded(t), epoch, requests)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func withID(r sdk.Request, incarnation string, seq, floor uint64) sdk.Request {
	r.ID, r.Floor = sdk.WriteID{Incarnation: incarnation, Sequence: seq}, floor
	return r
}

func TestStatementErrorHitsOnlyItsRequest(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
	res := apply(t, d, epoch,
		request("INSERT INTO t(b) VALUES ('x')"),
		request("INSERT INTO t(b) VALUES ('y')", "INSERT INTO t(b) VALUES (NULL)"),
		request("INSERT INTO t(b) VALUES ('z')"))
	wantSQL(t, res[1].Err, 1299)
	if res[0].Err != nil || res[2].Err != nil || count(t, d, "t") != 2 {
		t.Errorf("got %+v with %d rows", res, count(t, d, "t"))
	}
	if res[2].Position.Row != res[0].Position.Row+1 {
		t.Errorf("positions %v and %v: the failed request left a hole or a change", res[0].Position, res[2].Position)
	}
}

func TestOrRollbackRollsBackTheNeighbours(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)",
		"CREATE TRIGGER g BEFORE INSERT ON t WHEN new.a = 99 BEGIN SELECT RAISE(ROLLBACK, 'no 99'); END")
	res := apply(t, d, epoch,
		withID(request("INSERT INTO t VALUES (2)"), senderA, 1, 0),
		request("INSERT OR ROLLBACK INTO t VALUES (1)"),
		withID(request("INSERT INTO t VALUES (3)"), senderB, 1, 0),
		request("INSERT INTO t VALUES (99)"),
		request("INSERT INTO t VALUES (4)"))
	wantSQL(t, res[1].Err, 1555)
	wantSQL(t, res[3].Err, 1811)
	for _, i := range []int{0, 2, 4} {
		if res[i].Err != nil || res[i].Replayed || res[i].RowsAffected != 1 {
			t.Errorf("neighbour %d: %+v", i, res[i])
		}
	}
	if n := count(t, d, "t"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	if n := count(t, d, "ramet_changes"); n != 4 {
		t.Errorf("%d changes, want 4", n)
	}
	alone := apply(t, d, epoch, request("INSERT OR ROLLBACK INTO t VALUES (1)"))
	wantSQL(t, alone[0].Err, 1555)
	must(t, d, epoch, "INSERT INTO t VALUES (5)")
}

func TestDeferredForeignKeyFailsTheWholeGroup(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE p(a INTEGER PRIMARY KEY)",
		"CREATE TABLE c(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)", "CREATE TABLE i(a REFERENCES p)")
	res := apply(t, d, epoch,
		request("INSERT INTO p VALUES (1)"),
		request("INSERT INTO c VALUES (7)"),
		request("INSERT INTO c VALUES (8)", "INSERT INTO p VALUES (8)"),
		request("PRAGMA defer_foreign_keys = ON", "INSERT INTO i VALUES (9)", "INSERT INTO p VALUES (9)"),
		request("INSERT INTO i VALUES (10)", "INSERT INTO p VALUES (10)"),
		request("PRAGMA defer_foreign_keys = ON", "INSERT INTO i VALUES (11)"))
	wantSQL(t, res[5].Err, codeForeignKey)
	wantSQL(t, res[1].Err, codeForeignKey)
	wantSQL(t, res[4].Err, codeForeignKey)
	for _, i := range []int{0, 2, 3} {
		if res[i].Err != nil {
			t.Errorf("neighbour %d: %v", i, res[i].Err)
		}
	}
	if n := count(t, d, "p"); n != 3 {
		t.Errorf("%d parents, want 3", n)
	}
	alone := apply(t, d, epoch, request("INSERT INTO c VALUES (7)"))
	wantSQL(t, alone[0].Err, codeForeignKey)
	alone = apply(t, d, epoch, request("PRAGMA defer_foreign_keys = ON", "INSERT INTO i VALUES (11)"))
	wantSQL(t, alone[0].Err, codeForeignKey)
	if broken := query(t, d, "PRAGMA foreign_key_check"); len(broken) > 0 {
		t.Errorf("broken keys: %v", broken)
	}
}

// TestLastInsertIDIsOfOwnRows: it was another caller's after an upsert that
// updated and after an insert into a table WITHOUT ROWID.
func TestLastInsertIDIsOfOwnRows(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE); CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID",
		"CREATE VIRTUAL TABLE f USING fts5(x)", "CREATE TABLE log(id INTEGER PRIMARY KEY, k)",
		"CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1000 + new.id, new.k); END")
	for _, c := range []struct {
		text string
		want int64
	}{
		{"INSERT INTO t VALUES (70, 'a'), (71, 'b')", 71},
		{"INSERT INTO t VALUES (NULL, 'a') ON CONFLICT (k) DO UPDATE SET k = k", 0},
		{"INSERT OR IGNORE INTO t VALUES (NULL, 'a')", 0},
		{"INSERT INTO w VALUES ('x')", 0},
		{"REPLACE INTO t VALUES (5, 'a')", 5},
		{"INSERT INTO f VALUES ('words'), ('more words')", 2},
		{"INSERT INTO t VALUES (80, 'c'); UPDATE t SET k = 'd' WHERE id = 80; INSERT INTO w VALUES ('y')", 80},
		{"UPDATE t SET k = k", 0},
	} {
		if got := must(t, d, epoch, c.text).LastInsertID; got != c.want {
			t.Errorf("%s: %d, want %d", c.text, got, c.want)
		}
		must(t, d, epoch, "INSERT INTO log (k) VALUES ('another caller')")
	}
}

func TestReplayGivesTheStoredResult(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b, c REAL, d BLOB)")
	r := withID(sdk.Request{Statements: []sdk.Statement{{SQL: "INSERT INTO t(b, c, d) VALUES ('x', 1.5, x'00ff') RETURNING *, NULL", WantRows: true}}}, senderA, 1, 0)
	first := apply(t, d, epoch, r)[0]
	again := apply(t, d, epoch, r, r)
	other := open(t, d.path, sdk.Primary) // nothing in memory
	other.state = d.state
	for _, got := range append(again, apply(t, other, epoch, r)...) {
		if !got.Replayed || got.Err != nil || got.LastInsertID != 1 || got.Position != first.Position || len(got.Rows) != 1 {
			t.Fatalf("got %+v, want %+v replayed", got, first)
		}
		row := got.Rows[0]
		if row[0] != int64(1) || row[1] != "x" || row[2] != 1.5 || string(row[3].([]byte)) != "\x00\xff" || row[4] != nil {
			t.Errorf("row %v", row)
		}
	}
	if n := count(t, d, "t"); n != 1 {
		t.Errorf("applied %d times", n)
	}
	out, err := d.Outcome(bounded(t), epoch, r.ID)
	if err != nil || !out.Replayed || out.RowsAffected != 1 {
		t.Errorf("outcome %+v, %v", out, err)
	}
}

func TestLargeResultIsGoneOnReplay(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	r := withID(sdk.Request{Statements: []sdk.Statement{{SQL: "INSERT INTO t VALUES (zeroblob(70000)) RETURNING a", WantRows: true}}}, senderA, 1, 0)
	if first := apply(t, d, epoch, r)[0]; first.Err != nil || len(first.Rows) != 1 {
		t.Fatal(first.Err)
	}
	wantError(t, apply(t, d, epoch, r)[0].Err, sdk.ErrResultGone)
	if n := count(t, d, "t"); n != 1 {
		t.Errorf("applied %d times", n)
	}
}

func TestFloorStopsLateRequests(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	ins := request("INSERT INTO t VALUES (1)")
	apply(t, d, epoch, withID(ins, senderA, 1, 0), withID(ins, senderA, 2, 0))
	apply(t, d, epoch, withID(ins, senderA, 5, 3))
	for _, seq := range []uint64{1, 2, 3} {
		wantError(t, apply(t, d, epoch, withID(ins, senderA, seq, 0))[0].Err, sdk.ErrResultGone)
		_, err := d.Outcome(bounded(t), epoch, sdk.WriteID{Incarnation: senderA, Sequence: seq})
		wantError(t, err, sdk.ErrResultGone)
	}
	_, err := d.Outcome(bounded(t), epoch, sdk.WriteID{Incarnation: senderA, Sequence: 4})
	wantError(t, err, sdk.ErrUnavailable)
	if n := count(t, d, "ramet_writes"); n != 1 {
		t.Errorf("%d rows kept, want 1", n)
	}
	next := open(t, d.path, sdk.Primary)
	e2 := advance(t, next).Epoch
	wantError(t, apply(t, next, e2, withID(ins, senderA, 3, 0))[0].Err, sdk.ErrResultGone)
	if r := apply(t, next, e2, withID(ins, senderA, 4, 3))[0]; r.Err != nil || r.Replayed {
		t.Errorf("a late request above the floor: %+v", r)
	}
	if n := count(t, d, "t"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	wantError(t, apply(t, next, e2, withID(ins, senderA, 9, 9))[0].Err, sdk.ErrInvalid)
}

func TestErrorsAreNotStored(t *testing.T) {
	d, epoch := primary(t)
	bad := withID(request("INSERT INTO missing VALUES (1)"), senderA, 1, 0)
	wantSQL(t, apply(t, d, epoch, bad)[0].Err, 1)
	must(t, d, epoch, "CREATE TABLE missing(a)")
	if r := apply(t, d, epoch, bad)[0]; r.Err != nil || r.Replayed {
		t.Errorf("the second try: %+v", r)
	}
}

func TestForeignLineageIsNotExecuted(t *testing.T) {
	d, epoch := primary(t)
	r := request("CREATE TABLE t(a)")
	r.Lineage = "another"
	wantError(t, apply(t, d, epoch, r)[0].Err, sdk.ErrOutcomeUnknown)
	_, err := d.Prepare(bounded(t), "SELECT * FROM t")
	wantSQL(t, err, 1)
}

func TestRequestRefusesControlAndOurTables(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	for _, text := range []string{"COMMIT", "BEGIN", "ROLLBACK", "SAVEPOINT x", "RELEASE ramet", "ROLLBACK TO ramet",
		"ATTACH ':memory:' AS x", "CREATE TEMP TABLE x(a)", "PRAGMA foreign_keys = OFF", "VACUUM", "VACUUM INTO 'x.db'"} {
		wantError(t, apply(t, d, epoch, request("INSERT INTO t VALUES (1); "+text))[0].Err, sdk.ErrInvalid)
	}
	for _, text := range []string{"UPDATE ramet_meta SET epoch = 1", "DROP TABLE ramet_meta", "DELETE FROM Ramet_Changes",
		"CREATE TABLE ramet_x(a)", "CREATE TRIGGER g AFTER INSERT ON ramet_writes BEGIN SELECT 1; END",
		"ALTER TABLE ramet_meta ADD COLUMN x"} {
		wantSQL(t, apply(t, d, epoch, request(text))[0].Err, codeAuth)
	}
	if n := count(t, d, "t"); n != 0 {
		t.Errorf("%d rows of refused requests", n)
	}
}

func TestNumbersOfAnotherRequestLeak(t *testing.T) {
	d, epoch := primary(t)
	res := apply(t, d, epoch,
		withID(request("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), senderA, 1, 0),
		withID(request("INSERT INTO t(b) VALUES (1), (2)"), senderA, 2, 0),
		withID(request("CREATE TABLE u(a)"), senderA, 3, 0),
		withID(request("INSERT OR IGNORE INTO t VALUES (1, 1)"), senderA, 4, 0),
		withID(request("INSERT INTO t(b) VALUES (3)", "INSERT INTO u VALUES (last_insert_rowid())"), senderA, 5, 0))
	want := [][2]int64{{0, 0}, {2, 2}, {0, 0}, {0, 0}, {1, 1}}
	for i, w := range want {
		if res[i].Err != nil || res[i].RowsAffected != w[0] || res[i].LastInsertID != w[1] {
			t.Errorf("request %d: %+v, want %v", i, res[i], w)
		}
	}
	if got := query(t, d, "SELECT a FROM u"); got[0][0] != int64(3) {
		t.Errorf("last_insert_rowid() gave %v, want 3: our own rows changed it", got[0][0])
	}
}

func TestCancelledContextAppliesNothing(t *testing.T) {
	d, epoch := primary(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.Apply(ctx, epoch, []sdk.Request{request("CREATE TABLE t(a)")})
	wantError(t, err, sdk.ErrUnavailable)
	wantError(t, err, context.Canceled)
	must(t, d, epoch, "CREATE TABLE t(a)")
}

func TestPlainProgramHoldsTheWriteLock(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	plain, err := sql.Open("sqlite", dsn(d.path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	plain.SetMaxOpenConns(1)
	if _, err := plain.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if next := open(t, d.path, sdk.Primary); count(t, next, "t") != 0 { // a candidate opens meanwhile
		t.Error("rows from nowhere")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err = d.Apply(ctx, epoch, []sdk.Request{request("INSERT INTO t VALUES (1)")})
	wantError(t, err, sdk.ErrUnavailable)
	if _, err := d.Advance(ctx, sdk.Fence{Observed: epoch}); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("Advance: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := d.Apply(bounded(t), epoch, []sdk.Request{request("INSERT INTO t VALUES (2)")})
		done <- err
	}()
	if _, err := plain.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := count(t, d, "t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestDiskFullAppliesNothing(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	pages := query(t, d, "PRAGMA page_count")[0][0].(int64)
	if _, err := d.w.row(make([]driver.Value, 1), "PRAGMA max_page_count = "+strconv.FormatInt(pages+4, 10)); err != nil {
		t.Fatal(err)
	}
	big := sdk.Request{Statements: []sdk.Statement{stmt("INSERT INTO t VALUES (?)", strings.Repeat("x", 1<<20))}}
	for _, group := range [][]sdk.Request{{big}, {request("INSERT INTO t VALUES (2)"), big}} {
		_, err := d.Apply(bounded(t), epoch, group)
		wantError(t, err, sdk.ErrUnavailable)
		wantSQL(t, err, codeFull)
	}
	must(t, d, epoch, "INSERT INTO t VALUES (3)")
	if n := count(t, d, "t"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestFailedCommitIsUnknownAndStopsTheWriter(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	d.w.raw.RegisterCommitHook(func() int32 { return 1 }) // COMMIT fails
	_, err := d.Apply(bounded(t), epoch, []sdk.Request{withID(request("INSERT INTO t VALUES (1)"), senderA, 1, 0)})
	d.w.raw.RegisterCommitHook(nil)
	wantError(t, err, sdk.ErrOutcomeUnknown)
	_, err = d.Apply(bounded(t), epoch, []sdk.Request{request("INSERT INTO t VALUES (2)")})
	wantError(t, err, sdk.ErrClosed)
}
