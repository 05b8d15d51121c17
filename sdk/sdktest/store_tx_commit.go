package sdktest

import (
	"github.com/ramet-io/ramet/sdk"
)

var storeTxCommitCases = []storeCase{
	{"records its write id", sdk.CapInteractiveTx, storeTxCommitID},
	{"a rolled back one has no outcome", sdk.CapInteractiveTx, storeTxRollbackID},
	{"a constraint fails it", sdk.CapInteractiveTx, storeTxCommitConstraint},
	{"meant for another lineage", sdk.CapInteractiveTx, storeTxCommitLineage},
	{"raises the floor", sdk.CapInteractiveTx, storeTxCommitFloor},
}

func storeTxCommitID(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(7)}); err != nil {
		f.t.Fatal(err)
	}
	storeWantOutcomes(w, map[uint64]error{6: sdk.ErrUnavailable, 7: nil, 8: sdk.ErrUnavailable})
	f.close(w.db)
	storeWantOutcomes(f.elsewhere().primary(), map[uint64]error{7: nil})
}

func storeTxRollbackID(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	storeWantOutcomes(w, map[uint64]error{1: sdk.ErrUnavailable})
	tx = w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'again')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)}); err != nil {
		f.t.Errorf("the next try with the same id: %v", err)
	}
	storeWantOutcomes(w, map[uint64]error{1: nil})
}

func storeTxCommitConstraint(f *storeFixture) {
	w := f.primary()
	storeForeignKeys(w)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO child VALUES (1, 99)")
	_, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)})
	storeWantSQL(f.t, "commit with a foreign key unresolved", err, storeCodeForeignKey)
	storeTxExec(w, tx, "INSERT INTO parent VALUES (98)") // it is still open
	_, err = tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)})
	storeWantSQL(f.t, "commit with it still unresolved", err, storeCodeForeignKey)
	storeTxExec(w, tx, "INSERT INTO parent VALUES (99)")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)}); err != nil {
		f.t.Errorf("commit after it was mended: %v", err)
	}
	w.want("SELECT count(*) FROM child", int64(1))
	storeWantOutcomes(w, map[uint64]error{1: nil})
	w.exec("DELETE FROM child")
	tx = w.begin()
	storeTxExec(w, tx, "INSERT INTO child VALUES (2, 97)")
	_, err = tx.Commit(f.ctx(), sdk.Request{ID: storeID(2)})
	storeWantSQL(f.t, "commit with a foreign key unresolved", err, storeCodeForeignKey)
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Errorf("rollback afterwards: %v", err)
	}
	w.want("SELECT count(*) FROM child", int64(0))
	storeWantOutcomes(w, map[uint64]error{2: sdk.ErrUnavailable})
	w.exec("INSERT INTO parent VALUES (1)") // the handle is not broken by it
}

func storeTxCommitLineage(f *storeFixture) {
	w := storeTxWriter(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1), Lineage: "of another store"}); err == nil {
		f.t.Error("committed into another lineage")
	}
	_ = tx.Rollback(f.ctx()) // it may be over
	w.want("SELECT count(*) FROM t", int64(0))
	tx = w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (1, 'x')")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1), Lineage: w.grant.Lineage}); err != nil {
		f.t.Errorf("committed into its own lineage: %v", err)
	}
}

func storeTxCommitFloor(f *storeFixture) {
	w := storeFloorAt(f)
	tx := w.begin()
	storeTxExec(w, tx, "INSERT INTO t VALUES (5)")
	if _, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(5), Floor: 4}); err != nil {
		f.t.Fatal(err)
	}
	storeWantOutcomes(w, map[uint64]error{4: sdk.ErrResultGone, 5: nil})
	storeWantError(f.t, "write 3, which never came", w.apply(storeWrite(3, "INSERT INTO t VALUES ('late')"))[0].Err, sdk.ErrResultGone)
	w.want("SELECT count(*) FROM t WHERE a = 'late'", int64(0))
}

var storeTxReadCases = []storeCase{
	{"is a snapshot", sdk.CapInteractiveTx, storeTxReadSnapshot},
	{"does not write", sdk.CapInteractiveTx, storeTxReadOnly},
	{"ignores the epoch", sdk.CapInteractiveTx, storeTxReadEpoch},
	{"beside a writing one", sdk.CapInteractiveTx, storeTxReadBeside},
}

func storeTxBeginRead(f *storeFixture, db sdk.DB, epoch uint64) sdk.Tx {
	f.t.Helper()
	tx, err := db.Begin(f.ctx(), epoch, sdk.TxOptions{ReadOnly: true})
	if err != nil {
		f.t.Fatalf("begin read-only: %v", err)
	}
	return tx
}

func storeTxReadSnapshot(f *storeFixture) {
	w := storeTxWriter(f)
	w.exec("INSERT INTO t VALUES (1, 'old')")
	for _, db := range []sdk.DB{w.db, f.elsewhere().open(sdk.Secondary)} {
		tx := storeTxBeginRead(f, db, 0)
		before := w.rows("SELECT count(*) FROM t")[0][0]
		w.exec("INSERT INTO t(b) VALUES ('later')") // after Begin, before the first read: the snapshot is Begin's
		for range 2 {
			if got := storeTxRead(w, tx, "SELECT count(*) FROM t"); got[0] != before {
				f.t.Errorf("the snapshot has %v rows, it was taken at %v", got[0], before)
			}
		}
		if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
			f.t.Error(err)
		}
		if err := tx.Rollback(f.ctx()); err != nil {
			f.t.Error(err)
		}
	}
	w.want("SELECT count(*) FROM t", int64(3))
}

func storeTxReadOnly(f *storeFixture) {
	w := storeTxWriter(f)
	tx := storeTxBeginRead(f, w.db, w.epoch)
	for _, text := range []string{"INSERT INTO t VALUES (1, 'x')", "CREATE TABLE u(a)", "INSERT INTO t VALUES (1, 'x') RETURNING a"} {
		_, err := tx.Exec(f.ctx(), storeStmt(text))
		storeWantError(f.t, text, err, sdk.ErrReadOnly)
		_, err = tx.Query(f.ctx(), storeStmt(text))
		storeWantError(f.t, text, err, sdk.ErrReadOnly)
	}
	if got := storeTxRead(w, tx, "SELECT count(*) FROM t"); got[0] != int64(0) {
		f.t.Errorf("rows: %v", got)
	}
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Error(err)
	}
}

func storeTxReadEpoch(f *storeFixture) {
	w := storeTxWriter(f)
	f.elsewhere().primary()
	tx := storeTxBeginRead(f, w.db, w.epoch) // fenced for writing, but a read harms nobody
	if got := storeTxRead(w, tx, "SELECT count(*) FROM t"); got[0] != int64(0) {
		f.t.Errorf("rows: %v", got)
	}
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Error(err)
	}
}

func storeTxReadBeside(f *storeFixture) {
	w := storeTxWriter(f)
	write := w.begin()
	storeTxExec(w, write, "INSERT INTO t VALUES (1, 'x')")
	read := storeTxBeginRead(f, w.db, 0)
	if got := storeTxRead(w, read, "SELECT count(*) FROM t"); got[0] != int64(0) {
		f.t.Errorf("it sees %v uncommitted rows", got)
	}
	if _, err := write.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Fatal(err)
	}
	if got := storeTxRead(w, read, "SELECT count(*) FROM t"); got[0] != int64(0) {
		f.t.Errorf("its snapshot moved: %v", got)
	}
	if err := read.Rollback(f.ctx()); err != nil {
		f.t.Error(err)
	}
	w.want("SELECT count(*) FROM t", int64(1))
}
