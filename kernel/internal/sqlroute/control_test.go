package sqlroute

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestTransactions(t *testing.T) {
	e, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx, "INSERT INTO t VALUES ('a')")
	must(t, tx, "CREATE TABLE new (id INTEGER PRIMARY KEY)")
	must(t, tx, "INSERT INTO new VALUES (1)") // compiles in here only
	if n := count(t, tx, "new"); n != 1 {
		t.Errorf("%d rows in a table of the same transaction", n)
	}
	var id int
	if err := tx.QueryRow("INSERT INTO new VALUES (2) RETURNING id").Scan(&id); err != nil || id != 2 {
		t.Error(id, err)
	}
	if n := count(t, db, "t"); n != 0 {
		t.Errorf("%d uncommitted rows seen outside", n)
	}
	_, err = tx.Exec("COMMIT")
	refused(t, err, sdk.ErrInvalid)
	if _, err := tx.Exec("BEGIN"); !isSQL(err, 1) {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "new"); n != 2 {
		t.Errorf("%d rows", n)
	}
	if e.writes.Load() != 1 {
		t.Error("a statement of the transaction went outside of it")
	}
}

func TestReadOnlyTransactionIsASnapshotThatTakesNoWriter(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	must(t, db, "INSERT INTO t VALUES ('a')")
	if n := count(t, tx, "t"); n != 0 {
		t.Errorf("the snapshot saw %d later rows", n)
	}
	_, err = tx.Exec("INSERT INTO t VALUES ('b')")
	refused(t, err, sdk.ErrReadOnly)
	if _, err = tx.Exec("SELECT * FROM nowhere"); !isSQL(err, 1) {
		t.Error(err)
	}
}

func TestIsolationLevels(t *testing.T) {
	_, db := newEngine(t)
	for level := sql.LevelDefault; level <= sql.LevelLinearizable; level++ {
		for _, readOnly := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level, ReadOnly: readOnly})
			if level == sql.LevelLinearizable && readOnly {
				refused(t, err, sdk.ErrUnsupported)
				continue
			}
			if err != nil {
				t.Errorf("%v, read-only %t: %v", level, readOnly, err)
				continue
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTransactionsAsText(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	c := pin(t, db)
	for _, begin := range []string{"BEGIN", "begin deferred transaction", "BEGIN IMMEDIATE;", "/* x */ BEGIN EXCLUSIVE TRANSACTION"} {
		must(t, c, begin)
		must(t, c, "INSERT INTO t VALUES ('a')")
		if _, err := c.ExecContext(t.Context(), "BEGIN"); !isSQL(err, 1) {
			t.Error(err)
		}
		if _, err := c.BeginTx(t.Context(), nil); !isSQL(err, 1) {
			t.Error(err)
		}
		must(t, c, "ROLLBACK TRANSACTION")
	}
	must(t, c, "BEGIN")
	must(t, c, "INSERT INTO t VALUES ('a')")
	must(t, c, "END TRANSACTION")
	if n := count(t, db, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
	for _, text := range []string{"COMMIT", "ROLLBACK", "RELEASE a", "ROLLBACK TO a", "BEGIN NONSENSE"} {
		if _, err := c.ExecContext(t.Context(), text); !isSQL(err, 1) {
			t.Errorf("%s: %v", text, err)
		}
	}
	must(t, c, "BEGIN; INSERT INTO t VALUES (?1); INSERT INTO t VALUES (?1); COMMIT", "b")
	if n := count(t, db, "t"); n != 3 {
		t.Errorf("%d rows after a script", n)
	}
}

func TestSavepoints(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v INTEGER)")
	c := pin(t, db)
	run := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			must(t, c, text)
		}
	}
	want := func(n int, what string) {
		t.Helper()
		if got := count(t, db, "t"); got != n {
			t.Errorf("%s: %d rows, want %d", what, got, n)
		}
	}
	run("SAVEPOINT a", "INSERT INTO t VALUES (1)", `SAVEPOINT "B x"`, "INSERT INTO t VALUES (2)", `ROLLBACK TO "b X"`,
		`RELEASE [B x]`, "INSERT INTO t VALUES (3)")
	want(0, "before the outermost release")
	run("RELEASE SAVEPOINT A")
	want(2, "after the outermost release")
	run("SAVEPOINT a", "SAVEPOINT a", "INSERT INTO t VALUES (4)", "RELEASE a")
	want(2, "inner one of the same name")
	run("ROLLBACK TO SAVEPOINT a", "RELEASE a")
	want(2, "rolled back to the outermost")
	run("SAVEPOINT a", "INSERT INTO t VALUES (5)", "COMMIT")
	want(3, "COMMIT releases all")
	run("BEGIN", "SAVEPOINT b", "INSERT INTO t VALUES (6)", "RELEASE b")
	want(3, "released inside BEGIN")
	run("ROLLBACK")
	want(3, "rolled back")
	tx, err := c.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"SAVEPOINT a", "INSERT INTO t VALUES (7)", "RELEASE a"} {
		must(t, tx, text)
	}
	if _, err := tx.Exec("RELEASE a"); !isSQL(err, 1) {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	want(4, "in a sql.Tx")
}

func TestForgottenTextTransactionGivesTheWriterBack(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	must(t, db, "BEGIN") // not pinned
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, c, "SAVEPOINT x")
	must(t, c, "INSERT INTO t VALUES ('a')")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, db, "INSERT INTO t VALUES ('b')") // would wait for ever
	if n := count(t, db, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestCloseOfThePoolEndsTransactions(t *testing.T) {
	_, db := newEngine(t) // its cleanup checks the writer
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, c, "BEGIN")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestDeferredConstraintFailsCommit(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE p (id INTEGER PRIMARY KEY)")
	must(t, db, "CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx, "INSERT INTO c VALUES (1)")
	if err := tx.Commit(); !isSQL(err, 787) {
		t.Error(err)
	}
	c := pin(t, db)
	must(t, c, "BEGIN")
	must(t, c, "INSERT INTO c VALUES (1)")
	if _, err := c.ExecContext(t.Context(), "COMMIT"); !isSQL(err, 787) {
		t.Error(err)
	}
	must(t, c, "INSERT INTO p VALUES (1)") // still open, as in SQLite
	must(t, c, "COMMIT")
	if n := count(t, db, "c"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestTransactionEndedByTheEngineIsLostUntilRollback(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT UNIQUE)")
	c := pin(t, db)
	must(t, c, "BEGIN")
	must(t, c, "INSERT INTO t VALUES ('a')")
	if _, err := c.ExecContext(t.Context(), "INSERT OR ROLLBACK INTO t VALUES ('a')"); !isSQL(err, 2067) {
		t.Error(err)
	}
	_, err := c.ExecContext(t.Context(), "INSERT INTO t VALUES ('b')")
	refused(t, err, sdk.ErrTxLost)
	must(t, c, "ROLLBACK")
	must(t, c, "BEGIN")
	must(t, c, "INSERT OR ROLLBACK INTO t VALUES ('a')")
	if _, err := c.ExecContext(t.Context(), "INSERT OR ROLLBACK INTO t VALUES ('a')"); !isSQL(err, 2067) {
		t.Error(err)
	}
	_, err = c.ExecContext(t.Context(), "COMMIT")
	refused(t, err, sdk.ErrTxLost)
	must(t, c, "INSERT INTO t VALUES ('c')")
	if n := count(t, db, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestCancelledTransactionGivesTheWriterBack(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx, "INSERT INTO t VALUES ('a')")
	cancel()
	if err := tx.Commit(); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
		t.Error(err)
	}
	must(t, db, "INSERT INTO t VALUES ('b')")
	if n := count(t, db, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestRowsOfATransactionThatEndedAreNotSilentlyShort(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v INTEGER)")
	must(t, db, "INSERT INTO t VALUES (1), (2), (3), (4), (5)")
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		c := pin(t, db)
		must(t, c, "BEGIN")
		rows, err := c.QueryContext(t.Context(), "SELECT v FROM t")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			if n++; n == 1 {
				must(t, c, "INSERT INTO t VALUES (9)")
				must(t, c, end)
			}
		}
		refused(t, rows.Err(), sdk.ErrClosed)
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		must(t, db, "DELETE FROM t WHERE v = 9")
	}
}

func TestSessionNumbersStayWithTheConnectionUsedLast(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	must(t, db, "INSERT INTO t VALUES ('a'), ('b')")
	var id int
	if err := db.QueryRow("SELECT last_insert_rowid()").Scan(&id); err != nil || id != 2 {
		t.Error(id, err)
	}
}
