package sdktest

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

var storeChangeCases = []storeCase{
	{"come in commit order", sdk.CapChangeLog, storeChangeOrder},
	{"of every kind", sdk.CapChangeLog, storeChangeKinds},
	{"of triggers and cascades", sdk.CapChangeLog, storeChangeTriggers},
	{"of a table without row ids", sdk.CapChangeLog, storeChangeNoRowID},
	{"not of shadow tables", sdk.CapChangeLog, storeChangeShadow},
	{"not of what was rolled back", sdk.CapChangeLog, storeChangeRolledBack},
	{"of a transaction", sdk.CapInteractiveTx, storeChangeTx},
	{"of a large commit", sdk.CapChangeLog, storeChangeLarge},
	{"go on from a position", sdk.CapChangeLog, storeChangeResume},
	{"follow", sdk.CapChangeLog, storeChangeFollow},
}

// storeFeed reads changes and checks what holds for all of them.
type storeFeed struct {
	f    *storeFixture
	feed sdk.Feed
	last sdk.Position
}

func storeChanges(f *storeFixture, db sdk.DB, from sdk.Position) *storeFeed {
	f.t.Helper()
	feed, err := db.Changes(f.ctx(), from)
	if err != nil {
		f.t.Fatalf("changes from %q: %v", from, err)
	}
	f.t.Cleanup(func() { _ = feed.Close() })
	return &storeFeed{f, feed, from}
}

// all returns the changes up to io.EOF.
func (s *storeFeed) all() []sdk.Change {
	s.f.t.Helper()
	var all []sdk.Change
	for {
		page, err := s.feed.Next(s.f.ctx())
		if err == io.EOF {
			return all
		}
		if err != nil {
			s.f.t.Fatalf("next changes: %v", err)
		}
		if len(page) == 0 {
			s.f.t.Fatal("a page without changes; want io.EOF")
		}
		for _, c := range page {
			if c.Op != sdk.OpGap && c.Position.Lineage == s.last.Lineage && c.Position.Row <= s.last.Row {
				s.f.t.Errorf("position %s after %s", c.Position, s.last)
			}
			s.last = c.Position
		}
		all = append(all, page...)
	}
}

// storeSay writes changes as "op table:row", for comparison.
func storeSay(changes []sdk.Change) []string {
	said := make([]string, 0, len(changes))
	for _, c := range changes {
		switch {
		case c.Op == sdk.OpGap:
			said = append(said, "gap")
		case c.NoRowID:
			said = append(said, fmt.Sprintf("%s %s", c.Op, c.Table))
		default:
			said = append(said, fmt.Sprintf("%s %s:%d", c.Op, c.Table, c.RowID))
		}
	}
	return said
}

// wantChanges fails unless exactly these changes follow the position.
func (w *storeWriter) wantChanges(from sdk.Position, want ...string) []sdk.Change {
	w.t.Helper()
	got := storeChanges(w.storeFixture, w.db, from).all()
	if said := storeSay(got); !slices.Equal(said, want) {
		w.t.Errorf("changes %q, want %q", said, want)
	}
	return got
}

// newest returns the position of the last change.
func (w *storeWriter) newest() sdk.Position {
	w.t.Helper()
	return w.status(w.db).Newest
}

func storeChangeOrder(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	from := w.newest()
	results := w.apply(storeTexts("INSERT INTO t VALUES (3), (1)"), storeWrite(1, "INSERT INTO t VALUES (2)"), storeTexts("SELECT 1"))
	got := w.wantChanges(from, "insert t:3", "insert t:1", "insert t:2")
	if len(got) != 3 {
		f.t.FailNow()
	}
	for _, c := range got {
		if c.Epoch != w.epoch || c.Position.Lineage != w.grant.Lineage {
			f.t.Errorf("change %+v, want epoch %d of lineage %s", c, w.epoch, w.grant.Lineage)
		}
	}
	if results[0].Position != got[1].Position || results[1].Position != got[2].Position || !results[2].Position.IsZero() {
		f.t.Errorf("results have positions %s, %s and %s; changes %v", results[0].Position, results[1].Position, results[2].Position, got)
	}
	if w.newest() != got[2].Position {
		f.t.Errorf("newest is %s, the last change %s", w.newest(), got[2].Position)
	}
	if p, err := sdk.ParsePosition(got[2].Position.String()); err != nil || p != got[2].Position {
		f.t.Errorf("position %s is read back as %s (%v)", got[2].Position, p, err)
	}
	other := f.elsewhere()
	reader := other.open(sdk.Secondary)
	if said := storeSay(storeChanges(other, reader, from).all()); len(said) != 3 {
		f.t.Errorf("another instance reads %q", said)
	}
}

func storeChangeKinds(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, b)", `CREATE TABLE "odd name"(a)`, "INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)")
	from := w.newest()
	w.exec("UPDATE t SET b = 1 WHERE id = 1")
	w.exec("DELETE FROM t WHERE id = 2")
	w.exec("UPDATE t SET id = 30 WHERE id = 3")
	w.exec(`INSERT INTO "odd name" VALUES (1)`)
	w.exec("INSERT INTO t VALUES (1, 'a', 2) ON CONFLICT DO UPDATE SET b = excluded.b")
	w.exec("INSERT OR IGNORE INTO t VALUES (1, 'a', 3)")
	w.wantChanges(from, "update t:1", "delete t:2", "update t:30", "insert odd name:1", "update t:1")
	from = w.newest()
	w.exec("DELETE FROM t") // without WHERE, which SQLite does in one step
	w.wantChanges(from, "delete t:1", "delete t:30")
}

func storeChangeTriggers(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE p(id INTEGER PRIMARY KEY)", "CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE)",
		"CREATE TABLE log(id INTEGER PRIMARY KEY, what)", "CREATE TRIGGER g AFTER INSERT ON p BEGIN INSERT INTO log(what) VALUES (new.id); END")
	from := w.newest()
	w.exec("INSERT INTO p VALUES (7)")
	w.wantChanges(from, "insert p:7", "insert log:1")
	w.exec("INSERT INTO c VALUES (9, 7)")
	from = w.newest()
	w.exec("DELETE FROM p")
	got := storeSay(storeChanges(f, w.db, from).all())
	slices.Sort(got)
	if want := []string{"delete c:9", "delete p:7"}; !slices.Equal(got, want) {
		f.t.Errorf("a cascade gave %q, want %q", got, want)
	}
}

func storeChangeNoRowID(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE k(name TEXT PRIMARY KEY, v) WITHOUT ROWID")
	from := w.newest()
	w.exec("INSERT INTO k VALUES ('a', 1), ('b', 2)")
	w.exec("UPDATE k SET v = 3 WHERE name = 'a'")
	w.exec("DELETE FROM k WHERE name = 'b'")
	for _, c := range w.wantChanges(from, "insert k", "insert k", "update k", "delete k") {
		if c.RowID != 0 {
			f.t.Errorf("row id %d where there is none", c.RowID)
		}
	}
}

func storeChangeShadow(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE doc(id INTEGER PRIMARY KEY, body)", "CREATE VIRTUAL TABLE ft USING fts5(body)",
		"CREATE TRIGGER g AFTER INSERT ON doc BEGIN INSERT INTO ft(rowid, body) VALUES (new.id, new.body); END")
	from := w.newest()
	if res := w.exec("INSERT INTO doc(body) VALUES ('ramets of one clone')"); res.LastInsertID != 1 {
		f.t.Errorf("last insert id %d, want the document's", res.LastInsertID)
	}
	w.want("SELECT rowid FROM ft WHERE ft MATCH 'clone'", int64(1))
	for _, said := range storeSay(storeChanges(f, w.db, from).all()) {
		if strings.Contains(said, " ft_") {
			f.t.Errorf("a shadow table shows: %s", said)
		}
	}
	if got := storeSay(storeChanges(f, w.db, from).all()); !slices.Contains(got, "insert doc:1") {
		f.t.Errorf("the document is missing: %q", got)
	}
}

func storeChangeRolledBack(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	from := w.newest()
	w.apply(
		storeTexts("INSERT INTO t VALUES (2)"),
		storeTexts("INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (1)"),
		storeTexts("INSERT INTO t VALUES (4), (5), (1)"),
		storeTexts("INSERT INTO t VALUES (6)"),
	)
	w.wantChanges(from, "insert t:2", "insert t:6")
	from = w.newest()
	w.apply(storeTexts("INSERT INTO t VALUES (7)"), storeTexts("INSERT INTO t VALUES (8)", "INSERT OR ROLLBACK INTO t VALUES (1)"), storeTexts("INSERT INTO t VALUES (9)"))
	w.wantChanges(from, "insert t:7", "insert t:9")
}

func storeChangeTx(f *storeFixture) {
	if !f.info.Has(sdk.CapChangeLog) {
		storeLacks(f, sdk.CapChangeLog)
		return
	}
	w := storeTxWriter(f)
	from := w.newest()
	tx := w.begin()
	for _, text := range []string{"INSERT INTO t VALUES (1, 'x')", "SAVEPOINT s", "INSERT INTO t VALUES (2, 'x')", "ROLLBACK TO s", "INSERT INTO t VALUES (3, 'x')"} {
		storeTxExec(w, tx, text)
	}
	if _, err := tx.Exec(f.ctx(), storeStmt("INSERT INTO t VALUES (4, 'x'), (1, 'x')")); err == nil {
		f.t.Error("a duplicate key was accepted")
	}
	w.wantChanges(from)
	res, err := tx.Commit(f.ctx(), sdk.Request{ID: storeID(1)})
	if err != nil {
		f.t.Fatal(err)
	}
	got := w.wantChanges(from, "insert t:1", "insert t:3")
	if len(got) == 0 || res.Position != got[len(got)-1].Position {
		f.t.Errorf("commit gave position %s, changes %v", res.Position, got)
	}
	from = w.newest()
	tx = w.begin()
	storeTxExec(w, tx, "DELETE FROM t")
	if err := tx.Rollback(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	w.wantChanges(from)
}

func storeChangeLarge(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	from := w.newest()
	w.exec("INSERT INTO t SELECT x FROM (" + storeSeries(3000) + ")")
	for i := range 40 {
		w.exec(fmt.Sprintf("INSERT INTO t VALUES (%d), (%d)", 10_000+2*i, 10_001+2*i))
	}
	got := storeChanges(f, w.db, from).all()
	if len(got) != 3080 {
		f.t.Fatalf("%d changes, want 3080", len(got))
	}
	for i, c := range got[:3000] {
		if c.RowID != int64(i+1) {
			f.t.Fatalf("change %d is of row %d", i, c.RowID)
		}
	}
}

func storeChangeResume(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	from := w.newest()
	for i := range 10 {
		w.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
	}
	all := storeChanges(f, w.db, from).all()
	f.close(w.db)
	next := f.elsewhere().primary() // positions survive the owner
	for i, c := range all {
		if got := storeSay(storeChanges(f, next.db, c.Position).all()); !slices.Equal(got, storeSay(all[i+1:])) {
			f.t.Errorf("from change %d: %q", i, got)
		}
	}
	next.exec("INSERT INTO t VALUES (100)")
	if got := next.wantChanges(all[9].Position, "insert t:100"); len(got) == 1 && got[0].Epoch != next.epoch {
		f.t.Errorf("epoch %d, want %d", got[0].Epoch, next.epoch)
	}
}

func storeChangeFollow(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	other := f.elsewhere()
	feed := storeChanges(other, other.open(sdk.Secondary), w.newest())
	for i := range 20 {
		if got := feed.all(); len(got) != 0 {
			f.t.Fatalf("nothing happened, yet: %q", storeSay(got))
		}
		w.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		if got := storeSay(feed.all()); !slices.Equal(got, []string{fmt.Sprintf("insert t:%d", i)}) {
			f.t.Fatalf("write %d gave %q", i, got)
		}
	}
	for range 2 {
		if err := feed.feed.Close(); err != nil {
			f.t.Error(err)
		}
	}
	_, err := feed.feed.Next(f.ctx())
	storeWantError(f.t, "Next after Close", err, sdk.ErrClosed)
}
