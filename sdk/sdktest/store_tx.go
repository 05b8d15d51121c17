package sdktest

import (
	"context"
	"errors"

	"github.com/ramet-io/ramet/sdk"
)

var storeTxCases = []storeCase{
	{"commit", sdk.CapInteractiveTx, storeTxCommit},
	{"rollback", sdk.CapInteractiveTx, storeTxRollback},
	{"reads its own writes", sdk.CapInteractiveTx, storeTxOwn},
	{"an error leaves it open", sdk.CapInteractiveTx, storeTxError},
	{"rolled back by the engine", sdk.CapInteractiveTx, storeTxLost},
	{"savepoints", sdk.CapInteractiveTx, storeTxSavepoints},
	{"control is refused", sdk.CapInteractiveTx, storeTxControl},
	{"the handle is closed", sdk.CapInteractiveTx, storeTxClosed},
	{"begin with an ended context", sdk.CapInteractiveTx, storeTxCancelled},
}

// begin begins a transaction for writing in a database with a table t.
func (w *storeWriter) begin() sdk.Tx {
	w.t.Helper()
	tx, err := w.db.Begin(w.ctx(), w.epoch, sdk.TxOptions{})
	if err != nil {
		w.t.Fatalf("begin: %v", err)
	}
	return tx
}

func storeTxWriter(f *storeFixture) *storeWriter {
	f.t.Helper()
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	return w
}

// storeTxExec runs a statement that must succeed.
func storeTxExec(w *storeWriter, tx sdk.Tx, text string) sdk.Result {
	w.t.Helper()
	res, err := tx.Exec(w.ctx(), storeStmt(text))
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return res
}

func storeTxRead(w *storeWriter, tx sdk.Tx, text string) []any {
	w.t.Helper()
	r, err := tx.Query(w.ctx(), storeStmt(text))
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	var flat []any
	for _, v := range storeFlat(storeDrain(w.storeFixture, r)) {
		flat = append(flat, v)
	}
	return flat
}

func storeTxCommit(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	if res := storeTxExec(w, tx, "INSERT INTO t(b) VALUES ('x'), ('y')"); res.RowsAffected != 2 || res.LastInsertID != 2 {
		f.t.Errorf("insert: %+v", res)
	}
	if res := storeTxExec(w, tx, "UPDATE t SET b = 'z' WHERE a = 1"); res.RowsAffected != 1 {
		f.t.Errorf("update: %+v", res)
	}
	w.want("SELECT count(*) FROM t", int64(0))
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	w.want("SELECT b FROM t ORDER BY a", "z", "y")
	_, err := tx.Exec(f.ctx(), storeStmt("INSERT INTO t(b) VALUES ('late')"))
	storeWantError(f.t, "Exec after Commit", err, sdk.ErrClosed)
	_, err = tx.Query(f.ctx(), storeStmt("SELECT 1"))
	storeWantError(f.t, "Query after Commit", err, sdk.ErrClosed)
	_, err = tx.Commit(f.ctx(), sdk.Request{})
	storeWantError(f.t, "Commit after Commit", err, sdk.ErrClosed)
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Errorf("Rollback after Commit: %v", err)
	}
	w.want("SELECT count(*) FROM t", int64(2))
}

func storeTxRollback(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t(b) VALUES ('x')")
	storeTxExec(w, tx, "CREATE TABLE u(a)")
	for range 2 {
		if err := tx.Rollback(f.ctx()); err != nil {
			f.t.Error(err)
		}
	}
	_, err := tx.Commit(f.ctx(), sdk.Request{})
	if err == nil {
		f.t.Error("Commit after Rollback succeeded")
	}
	w.want("SELECT count(*) FROM t", int64(0))
	w.exec("CREATE TABLE u(b)")
}

func storeTxOwn(f *storeFixture) {
	w := storeTxWriter(f)
	w.exec("INSERT INTO t VALUES (1, 'old')")
	tx := w.begin()
	storeTxExec(w, tx, "UPDATE t SET b = 'new'")
	if got := storeTxRead(w, tx, "SELECT b FROM t"); len(got) != 1 || got[0] != "new" {
		f.t.Errorf("inside: %v", got)
	}
	if got := storeTxRead(w, tx, "INSERT INTO t(b) VALUES ('returned') RETURNING a"); len(got) != 1 || got[0] != int64(2) {
		f.t.Errorf("RETURNING through Query: %v", got)
	}
	big, err := tx.Query(f.ctx(), storeStmt(storeSeries(5000))) // rows left open do not hinder the rest
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := big.Next(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	storeTxExec(w, tx, "INSERT INTO t(b) VALUES ('third')")
	w.want("SELECT b FROM t", "old")
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	_ = big.Close()
	w.want("SELECT b FROM t ORDER BY a", "new", "returned", "third")
}

func storeTxError(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	_, err := tx.Exec(f.ctx(), storeStmt("INSERT INTO t VALUES (2, 'undone'), (1, 'duplicate')"))
	storeWantSQL(f.t, "duplicate key", err, storeCodePrimaryKey)
	_, err = tx.Query(f.ctx(), storeStmt("SELEC 1"))
	storeWantSQL(f.t, "syntax", err, storeCodeError)
	storeTxExec(w, tx, "INSERT INTO t VALUES (3, 'z')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(3))
}

func storeTxLost(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	_, err := tx.Exec(f.ctx(), storeStmt("INSERT OR ROLLBACK INTO t VALUES (1, 'y')"))
	if err == nil {
		f.t.Error("a duplicate key was accepted")
	}
	_, err = tx.Exec(f.ctx(), storeStmt("INSERT INTO t VALUES (2, 'must not be written')"))
	storeWantError(f.t, "Exec afterwards", err, sdk.ErrTxLost)
	_, err = tx.Query(f.ctx(), storeStmt("SELECT 1"))
	storeWantError(f.t, "Query afterwards", err, sdk.ErrTxLost)
	_, err = tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)})
	storeWantError(f.t, "Commit afterwards", err, sdk.ErrTxLost)
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Errorf("Rollback afterwards: %v", err)
	}
	w.want("SELECT count(*) FROM t", int64(0))
	storeWantOutcomes(w, map[uint64]error{1: sdk.ErrUnavailable})
	w.exec("INSERT INTO t VALUES (3, 'the writer is free')")
}

func storeTxSavepoints(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	for _, text := range []string{
		"INSERT INTO t VALUES (1, 'kept')", "SAVEPOINT s", "INSERT INTO t VALUES (2, 'undone')", "ROLLBACK TO s",
		"INSERT INTO t VALUES (3, 'kept')", "SAVEPOINT s", "INSERT INTO t VALUES (4, 'kept')", "RELEASE s", "RELEASE s",
	} {
		storeTxExec(w, tx, text)
	}
	_, err := tx.Exec(f.ctx(), storeStmt("RELEASE s"))
	storeWantSQL(f.t, "RELEASE of no savepoint", err, storeCodeError)
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(3), int64(4))
}

func storeTxControl(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	for _, text := range []string{"BEGIN", "COMMIT", "END", "ROLLBACK", "-- x\ncommit", "SELECT 1; COMMIT"} {
		_, err := tx.Exec(f.ctx(), storeStmt(text))
		storeWantError(f.t, text, err, sdk.ErrInvalid)
	}
	w.want("SELECT count(*) FROM t", int64(0))
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Errorf("the transaction was ended: %v", err)
	}
	w.want("SELECT count(*) FROM t", int64(1))
}

func storeTxClosed(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	f.close(w.db)
	_, err := tx.Exec(f.ctx(), storeStmt("INSERT INTO t VALUES (2, 'y')"))
	if !errors.Is(err, sdk.ErrTxLost) && !errors.Is(err, sdk.ErrClosed) {
		f.t.Errorf("Exec after Close of the handle: %v", err)
	}
	if _, err = tx.Commit(f.ctx(), sdk.Request{}); !errors.Is(err, sdk.ErrTxLost) && !errors.Is(err, sdk.ErrClosed) {
		f.t.Errorf("Commit after Close of the handle: %v", err)
	}
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Errorf("Rollback after Close of the handle: %v", err)
	}
	f.elsewhere().primary().want("SELECT count(*) FROM t", int64(0))
}

func storeTxCancelled(f *storeFixture) {
	w := storeTxWriter(f)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.db.Begin(ctx, w.epoch, sdk.TxOptions{})
	storeWantEnded(f, "begin", err)
	ctx, cancel = context.WithCancel(context.Background())
	tx, err := w.db.Begin(ctx, w.epoch, sdk.TxOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	cancel() // the context bounded Begin and not the transaction
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	w.want("SELECT count(*) FROM t", int64(1))
}
