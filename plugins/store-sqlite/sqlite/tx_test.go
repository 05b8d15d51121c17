package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func begin(t *testing.T, d *db, epoch uint64) sdk.Tx {
	t.Helper()
	tx, err := d.Begin(bounded(t), epoch, sdk.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func mustExec(t *testing.T, tx sdk.Tx, text string) sdk.Result {
	t.Helper()
	r, err := tx.Exec(bounded(t), stmt(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestSavepointsCutTheChanges(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)")
	tx := begin(t, d, epoch)
	for _, text := range []string{"INSERT INTO t VALUES (1)", "SAVEPOINT s", "INSERT INTO t VALUES (2)", "SAVEPOINT S",
		"INSERT INTO t VALUES (3)", "ROLLBACK TO s", "RELEASE s", "INSERT INTO t VALUES (4)"} {
		mustExec(t, tx, text)
	}
	if _, err := tx.Exec(bounded(t), stmt("INSERT INTO t VALUES (5), (1)")); err == nil {
		t.Fatal("no error for a duplicate")
	}
	if _, err := tx.Exec(bounded(t), stmt("INSERT OR FAIL INTO t VALUES (6), (1)")); err == nil {
		t.Fatal("no error for a duplicate")
	}
	res, err := tx.Commit(bounded(t), sdk.Request{})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, c := range allChanges(t, d, sdk.Position{}) {
		got = append(got, c.RowID)
		if c.Position == res.Position && c.RowID != 6 {
			t.Errorf("the last change is %d", c.RowID)
		}
	}
	if want := []int64{1, 2, 4, 6}; !equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
	if n := count(t, d, "t"); n != 4 {
		t.Errorf("%d rows", n)
	}
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestTransactionEndedByTheEngineIsLost(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	tx := begin(t, d, epoch)
	mustExec(t, tx, "INSERT INTO t VALUES (2)")
	_, err := tx.Exec(bounded(t), stmt("INSERT OR ROLLBACK INTO t VALUES (1)"))
	wantSQL(t, err, 1555)
	_, err = tx.Exec(bounded(t), stmt("INSERT INTO t VALUES (3)"))
	wantError(t, err, sdk.ErrTxLost)
	_, err = tx.Commit(bounded(t), sdk.Request{})
	wantError(t, err, sdk.ErrTxLost)
	must(t, d, epoch, "INSERT INTO t VALUES (4)") // the writer is free again
	if n := count(t, d, "t"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestTransactionRefusesControl(t *testing.T) {
	d, epoch := primary(t)
	tx := begin(t, d, epoch)
	for _, text := range []string{"COMMIT", "END", "BEGIN", "ROLLBACK", "ATTACH ':memory:' AS m", "CREATE TEMP TABLE x(a)"} {
		_, err := tx.Exec(bounded(t), stmt(text))
		wantError(t, err, sdk.ErrInvalid)
	}
	mustExec(t, tx, "CREATE TABLE t(a)")
	if _, err := tx.Commit(bounded(t), sdk.Request{}); err != nil {
		t.Fatal(err)
	}
	_, err := tx.Exec(bounded(t), stmt("SELECT 1"))
	wantError(t, err, sdk.ErrClosed)
}

func TestCommitFailsForAForeignKey(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE p(a INTEGER PRIMARY KEY)", "CREATE TABLE c(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
	tx := begin(t, d, epoch)
	mustExec(t, tx, "INSERT INTO c VALUES (1)")
	_, err := tx.Commit(bounded(t), sdk.Request{})
	wantSQL(t, err, codeForeignKey)
	if err := tx.Rollback(bounded(t)); err != nil { // it is still open
		t.Fatal(err)
	}
	must(t, d, epoch, "INSERT INTO p VALUES (1)")
	if n := count(t, d, "c"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestReadOnlyTransactionIsASnapshot(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	tx, err := d.Begin(bounded(t), 0, sdk.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	must(t, d, epoch, "INSERT INTO t VALUES (1)")
	r, err := tx.Query(bounded(t), stmt("SELECT count(*) FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); got[0][0] != int64(0) {
		t.Errorf("the snapshot sees %v rows", got[0][0])
	}
	_, err = tx.Exec(bounded(t), stmt("INSERT INTO t VALUES (2)"))
	wantError(t, err, sdk.ErrReadOnly)
	if _, err := tx.Commit(bounded(t), sdk.Request{}); err != nil {
		t.Error(err)
	}
}

func TestInterruptedWriteLosesTheTransaction(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	tx := begin(t, d, epoch)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := tx.Exec(ctx, stmt("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"))
	wantError(t, err, sdk.ErrTxLost)
	must(t, d, epoch, "INSERT INTO t VALUES (1)")
	if n := count(t, d, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestReturningInATransaction(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	tx := begin(t, d, epoch)
	r, err := tx.Query(bounded(t), stmt("INSERT INTO t(b) VALUES ('x'), ('y') RETURNING a, b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); len(got) != 2 || got[1][1] != "y" {
		t.Errorf("got %v", got)
	}
	open, err := tx.Query(bounded(t), stmt("SELECT a FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := tx.Query(bounded(t), stmt("SELECT a FROM t"))
	if err != nil {
		t.Fatal(err)
	}
	if len(drain(t, open)) != 2 || len(drain(t, again)) != 2 {
		t.Error("two queries of one text disturbed each other")
	}
	if _, err := tx.Commit(bounded(t), sdk.Request{}); err != nil {
		t.Fatal(err)
	}
}
