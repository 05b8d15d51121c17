package sdktest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var storeAdvanceCases = []storeCase{
	{"compare and set", "", storeAdvanceCAS},
	{"one winner of many", "", storeAdvanceRace},
	{"at least", "", storeAdvanceAtLeast},
	{"owner", "", storeAdvanceOwner},
	{"opened ahead", "", storeAdvanceAhead},
	{"schema version", "", storeAdvanceSchema},
	{"waits for a writer until the context ends", sdk.CapInteractiveTx, storeAdvanceBusy},
}

func storeAdvanceCAS(f *storeFixture) {
	db := f.open(sdk.Primary)
	if got := f.status(db).Epoch; got != 0 {
		f.t.Errorf("a new store has epoch %d, want 0", got)
	}
	for _, observed := range []uint64{0, 1, 2} {
		g, err := db.Advance(f.ctx(), sdk.Fence{Observed: observed})
		if err != nil || g.Epoch != observed+1 {
			f.t.Fatalf("advance from %d: %+v, %v", observed, g, err)
		}
	}
	for _, wrong := range []uint64{0, 2, 4, 1 << 40} {
		_, err := db.Advance(f.ctx(), sdk.Fence{Observed: wrong})
		storeWantError(f.t, "advance from an epoch that is not the stored one", err, sdk.ErrFenced)
	}
	if got := f.status(db).Epoch; got != 3 {
		f.t.Errorf("refused advances left epoch %d, want 3", got)
	}
}

// storeAdvanceAhead opens handles for writing while another owns the store, which
// goes on, changes the schema under them, and is displaced by one of them.
func storeAdvanceAhead(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(x)")
	unused, ahead := f.elsewhere().open(sdk.Primary), f.elsewhere().open(sdk.Primary)
	if got := f.status(ahead).Epoch; got != w.epoch {
		f.t.Errorf("a handle opened ahead sees epoch %d, want %d", got, w.epoch)
	}
	w.exec("INSERT INTO t VALUES(1)")
	w.exec("ALTER TABLE t ADD COLUMN y DEFAULT 7")
	f.close(unused)
	w.exec("INSERT INTO t(x) VALUES(2)")
	_, err := ahead.Apply(f.ctx(), w.epoch+1, []sdk.Request{storeTexts("INSERT INTO t(x) VALUES(9)")})
	storeWantError(f.t, "a write before Advance", err, sdk.ErrFenced)
	g, err := ahead.Advance(f.ctx(), sdk.Fence{Observed: w.epoch})
	if err != nil {
		f.t.Fatal(err)
	}
	next := &storeWriter{f, ahead, g.Epoch, g}
	next.exec("INSERT INTO t VALUES(3, 8)")
	next.want("SELECT x, y FROM t ORDER BY x", int64(1), int64(7), int64(2), int64(7), int64(3), int64(8))
	_, err = w.db.Apply(f.ctx(), w.epoch, []sdk.Request{storeTexts("INSERT INTO t VALUES(4, 4)")})
	storeWantError(f.t, "a write of the displaced owner", err, sdk.ErrFenced)
}

func storeAdvanceRace(f *storeFixture) {
	const rivals = 8
	dbs := make([]sdk.DB, rivals)
	for i := range dbs {
		dbs[i] = f.elsewhere().open(sdk.Primary)
	}
	ctx := f.ctx()
	errs := make([]error, rivals)
	var group sync.WaitGroup
	for i, db := range dbs {
		group.Go(func() { _, errs[i] = db.Advance(ctx, sdk.Fence{}) })
	}
	group.Wait()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else {
			storeWantError(f.t, "a loser", err, sdk.ErrFenced)
		}
	}
	if winners != 1 {
		f.t.Errorf("%d of %d won the same epoch", winners, rivals)
	}
}

func storeAdvanceAtLeast(f *storeFixture) {
	if w := f.primaryWith(f.options(sdk.Primary), sdk.Fence{AtLeast: 100}); w.epoch != 100 {
		f.t.Errorf("at least 100 gave %d", w.epoch)
	}
	if w := f.primaryWith(f.options(sdk.Primary), sdk.Fence{AtLeast: 50}); w.epoch != 101 {
		f.t.Errorf("at least 50 after 100 gave %d, want 101", w.epoch)
	}
}

func storeAdvanceOwner(f *storeFixture) {
	owner := sdk.Record{
		Instance: "first", Incarnation: storeID(1).Incarnation, PID: 4711, StartTime: 99, Program: "suite", Version: "1.2.3",
		Endpoints: []sdk.Endpoint{"suite:a"}, SinceUnix: 1234567890, Takeover: true,
	}
	f.primaryWith(f.options(sdk.Primary), sdk.Fence{Owner: owner})
	got := f.status(f.elsewhere().open(sdk.Secondary)).Owner
	if got.Instance != owner.Instance || got.Incarnation != owner.Incarnation || got.PID != owner.PID ||
		got.StartTime != owner.StartTime || got.Program != owner.Program || got.Version != owner.Version ||
		len(got.Endpoints) != 1 || got.SinceUnix != owner.SinceUnix || !got.Takeover {
		f.t.Errorf("owner %+v, want %+v", got, owner)
	}
}

func storeAdvanceSchema(f *storeFixture) {
	w := f.primary()
	if w.grant.SchemaVersion != 0 {
		f.t.Errorf("a new store has schema version %d", w.grant.SchemaVersion)
	}
	if err := w.db.SetSchema(f.ctx(), w.epoch, 5); err != nil {
		f.t.Fatal(err)
	}
	_, err := w.db.Advance(f.ctx(), sdk.Fence{Observed: w.epoch, SchemaVersion: 4})
	storeWantError(f.t, "declaring an older schema", err, sdk.ErrIncompatible)
	if got := f.status(w.db); got.Epoch != w.epoch || got.SchemaVersion != 5 {
		f.t.Errorf("after the refusal: epoch %d, schema %d", got.Epoch, got.SchemaVersion)
	}
	for _, declared := range []int64{0, 5, 6} {
		if w := f.primaryWith(f.options(sdk.Primary), sdk.Fence{SchemaVersion: declared}); w.grant.SchemaVersion != 5 {
			f.t.Errorf("declaring %d was granted schema %d, want the stored 5", declared, w.grant.SchemaVersion)
		}
	}
}

func storeAdvanceBusy(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	tx, err := w.db.Begin(f.ctx(), w.epoch, sdk.TxOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := tx.Exec(f.ctx(), storeStmt("INSERT INTO t VALUES (1)")); err != nil {
		f.t.Fatal(err)
	}
	rival := f.elsewhere().open(sdk.Primary)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = rival.Advance(ctx, sdk.Fence{Observed: w.epoch})
	storeWantError(f.t, "advance while another writes", err, sdk.ErrUnavailable)
	if got := f.status(rival).Epoch; got != w.epoch {
		f.t.Errorf("epoch %d after the refusal, want %d", got, w.epoch)
	}
	if _, err := tx.Commit(f.ctx(), sdk.Request{}); err != nil {
		f.t.Errorf("commit: %v", err)
	}
	if _, err := rival.Advance(f.ctx(), sdk.Fence{Observed: w.epoch}); err != nil {
		f.t.Errorf("advance after the commit: %v", err)
	}
	w.want("SELECT a FROM t", int64(1))
}

var storeFenceCases = []storeCase{
	{"no epoch was won", "", storeFenceNone},
	{"apply, schema and outcome of an older epoch", "", storeFenceWrites},
	{"begin of an older epoch", sdk.CapInteractiveTx, storeFenceBegin},
}

func storeFenceNone(f *storeFixture) {
	db := f.open(sdk.Primary)
	for _, epoch := range []uint64{0, 1} {
		_, err := db.Apply(f.ctx(), epoch, []sdk.Request{storeTexts("CREATE TABLE t(a)")})
		storeWantError(f.t, "apply before any Advance", err, sdk.ErrFenced)
	}
	storeWantRows(f, db, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", int64(0))
}

// storeFenced is a writer that another one has displaced.
func storeFenced(f *storeFixture) (old, next *storeWriter) {
	f.t.Helper()
	old = f.primary()
	old.exec("CREATE TABLE t(a)")
	old.must(storeWrite(1, "INSERT INTO t VALUES ('old')"))
	return old, f.elsewhere().primary()
}

func storeFenceWrites(f *storeFixture) {
	old, next := storeFenced(f)
	ctx := f.ctx()
	_, err := old.db.Apply(ctx, old.epoch, []sdk.Request{
		storeWrite(2, "INSERT INTO t VALUES ('fenced')"), storeTexts("INSERT INTO t VALUES ('fenced too')"),
	})
	storeWantError(f.t, "Apply", err, sdk.ErrFenced)
	storeWantError(f.t, "SetSchema", old.db.SetSchema(ctx, old.epoch, 9), sdk.ErrFenced)
	_, err = old.db.Outcome(ctx, old.epoch, storeID(1))
	storeWantError(f.t, "Outcome", err, sdk.ErrFenced)
	next.want("SELECT a FROM t", "old")
	if got := f.status(next.db).SchemaVersion; got != 0 {
		f.t.Errorf("a fenced SetSchema stored %d", got)
	}
	if _, err := next.db.Outcome(ctx, next.epoch, storeID(2)); !errors.Is(err, sdk.ErrUnavailable) {
		f.t.Errorf("outcome of the fenced write: %v, want %v", err, sdk.ErrUnavailable)
	}
	next.must(storeWrite(2, "INSERT INTO t VALUES ('retried')")) // the same write at the new primary
	next.want("SELECT a FROM t", "old", "retried")
}

func storeFenceBegin(f *storeFixture) {
	old, next := storeFenced(f)
	_, err := old.db.Begin(f.ctx(), old.epoch, sdk.TxOptions{})
	storeWantError(f.t, "Begin", err, sdk.ErrFenced)
	next.exec("INSERT INTO t VALUES ('new')") // the refused one does not hold the writer
	next.want("SELECT a FROM t", "old", "new")
}

var storeLineageCases = []storeCase{
	{"kept by a clean change of owner", "", storeLineageKept},
	{"new when the store is older than the record", "", storeLineageBehind},
	{"new when a backup was put in place", "", storeLineageRestored},
	{"new, with the workspace, in a copied directory", "", storeLineageCopied},
}

func storeLineageKept(f *storeFixture) {
	first := f.primary()
	again := f.elsewhere().primaryWith(f.options(sdk.Primary), sdk.Fence{RecordEpoch: first.epoch, RecordLineage: first.grant.Lineage})
	if first.grant.Lineage == "" || first.grant.Workspace == "" ||
		again.grant.Lineage != first.grant.Lineage || again.grant.Workspace != first.grant.Workspace {
		f.t.Errorf("granted %+v, then %+v", first.grant, again.grant)
	}
	if s := f.status(again.db); s.Lineage != again.grant.Lineage || s.Workspace != again.grant.Workspace {
		f.t.Errorf("status %+v differs from the grant %+v", s, again.grant)
	}
}

func storeLineageBehind(f *storeFixture) {
	first := f.primary()
	again := f.elsewhere().primaryWith(f.options(sdk.Primary), sdk.Fence{
		RecordEpoch: first.epoch + 7, RecordLineage: first.grant.Lineage, AtLeast: first.epoch + 8,
	})
	if again.grant.Lineage == first.grant.Lineage || again.grant.Workspace != first.grant.Workspace || again.epoch != first.epoch+8 {
		f.t.Errorf("granted %+v, then %+v; want another lineage in the same workspace", first.grant, again.grant)
	}
}

// storeCopy copies the closed database to a file. An engine that keeps nothing
// there has nothing that could be copied behind its back.
func storeCopy(f *storeFixture, to string) bool {
	f.t.Helper()
	b, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return true
}

func storeLineageRestored(f *storeFixture) {
	first := f.primary()
	first.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES ('backed up')")
	f.close(first.db)
	backup := filepath.Join(f.t.TempDir(), "backup")
	if !storeCopy(f, backup) {
		return
	}
	later := f.primary()
	later.must(storeWrite(1, "INSERT INTO t VALUES ('lost with the disk')"))
	f.close(later.db)
	if err := os.Rename(backup, f.path); err != nil {
		f.t.Fatal(err)
	}
	restored := f.elsewhere().primaryWith(f.options(sdk.Primary), sdk.Fence{
		RecordEpoch: later.epoch, RecordLineage: later.grant.Lineage, AtLeast: later.epoch + 1,
	})
	if restored.grant.Lineage == later.grant.Lineage || restored.epoch <= later.epoch {
		f.t.Errorf("served %+v, granted after the restore %+v", later.grant, restored.grant)
	}
	restored.want("SELECT a FROM t", "backed up")
	r := storeWrite(1, "INSERT INTO t VALUES ('resent')")
	r.Lineage = later.grant.Lineage
	if err := restored.apply(r)[0].Err; !errors.Is(err, sdk.ErrOutcomeUnknown) {
		f.t.Errorf("a write of the lost lineage: %v, want %v", err, sdk.ErrOutcomeUnknown)
	}
}

func storeLineageCopied(f *storeFixture) {
	first := f.primary()
	first.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	f.close(first.db)
	other := filepath.Join(f.t.TempDir(), filepath.Base(f.path))
	if !storeCopy(f, other) {
		return
	}
	copied := storeInstance(f.t, f.p, other).primary()
	if copied.grant.Lineage == first.grant.Lineage || copied.grant.Workspace == first.grant.Workspace {
		f.t.Errorf("served %+v, granted in the copy %+v; want another lineage and workspace", first.grant, copied.grant)
	}
	copied.want("SELECT a FROM t", int64(1))
	if again := f.primary(); again.grant.Lineage != first.grant.Lineage || again.grant.Workspace != first.grant.Workspace {
		f.t.Errorf("the original changed from %+v to %+v", first.grant, again.grant)
	}
}
