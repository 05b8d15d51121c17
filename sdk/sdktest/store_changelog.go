package sdktest

import (
	"fmt"
	"slices"

	"github.com/ramet-io/ramet/sdk"
)

var storeChangeLogCases = []storeCase{
	{"a gap where it was trimmed", sdk.CapChangeLog, storeLogTrimmed},
	{"a gap for a follower that fell behind", sdk.CapChangeLog, storeLogBehind},
	{"a gap from another lineage", sdk.CapChangeLog, storeLogForeign},
	{"a gap after the lineage changed", sdk.CapChangeLog, storeLogLineage},
	{"switched off", sdk.CapChangeLog, storeLogOff},
	{"a gap for what was written while it was off", sdk.CapChangeLog, storeLogOffOn},
	{"the store's own tables", "", storeLogOwnTables},
}

// storeRetained opens the database keeping few changes and writes many.
func storeRetained(f *storeFixture) (w *storeWriter, from sdk.Position) {
	f.t.Helper()
	o := f.options(sdk.Primary)
	o.ChangeRetention = 20
	w = f.primaryWith(o, sdk.Fence{})
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (0)")
	return w, w.newest()
}

func storeFill(w *storeWriter, n int) {
	w.t.Helper()
	for range n {
		w.exec("INSERT INTO t(a) SELECT max(a) + 1 FROM t")
	}
}

// storeWantGap checks that changes begin with a gap, have no other, and go on
// without a hole to the last row.
func storeWantGap(f *storeFixture, changes []sdk.Change, last int64) {
	f.t.Helper()
	if len(changes) < 2 || changes[0].Op != sdk.OpGap || changes[0].Table != "" || changes[0].Position.IsZero() {
		f.t.Fatalf("changes begin with %q, want a gap", storeSay(changes[:min(3, len(changes))]))
	}
	for i, c := range changes[1:] {
		if want := last - int64(len(changes)-2-i); c.Op != sdk.OpInsert || c.RowID != want {
			f.t.Fatalf("change %d after the gap is %s, want row %d", i, storeSay(changes[i+1 : i+2])[0], want)
		}
	}
}

func storeLogTrimmed(f *storeFixture) {
	w, from := storeRetained(f)
	storeFill(w, 300)
	s := w.status(w.db)
	if s.Oldest.Row <= from.Row || s.Oldest.Lineage != from.Lineage {
		f.t.Fatalf("300 changes later with 20 kept the oldest position is %s, was %s", s.Oldest, from)
	}
	got := storeChanges(f, w.db, from).all()
	storeWantGap(f, got, 300)
	if len(got) < 21 {
		f.t.Errorf("%d changes are left, 20 should be kept", len(got)-1)
	}
	// From the gap's position on, from Oldest, and from the beginning there is no gap.
	for _, p := range []sdk.Position{got[0].Position, s.Oldest, {}} {
		after := storeChanges(f, w.db, p).all()
		if slices.Contains(storeSay(after), "gap") || len(after) != len(got)-1 {
			f.t.Errorf("from %q: %d changes, want %d and no gap", p, len(after), len(got)-1)
		}
	}
}

func storeLogBehind(f *storeFixture) {
	w, from := storeRetained(f)
	other := f.elsewhere()
	feed := storeChanges(other, other.open(sdk.Secondary), from)
	storeFill(w, 5)
	if got := feed.all(); len(got) != 5 {
		f.t.Fatalf("%q", storeSay(got))
	}
	storeFill(w, 300)
	storeWantGap(f, feed.all(), 305)
	storeFill(w, 1)
	if got := storeSay(feed.all()); !slices.Equal(got, []string{"insert t:306"}) {
		f.t.Errorf("after the gap: %q", got)
	}
}

func storeLogForeign(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (0)")
	for _, row := range []uint64{0, 1, 1 << 40} {
		feed := storeChanges(f, w.db, sdk.Position{Lineage: "foreign", Row: row})
		got := feed.all()
		if len(got) == 0 || got[0].Op != sdk.OpGap || got[0].Position.Lineage != w.grant.Lineage {
			f.t.Fatalf("from row %d of another lineage: %q", row, storeSay(got))
		}
		if n := slices.Index(storeSay(got[1:]), "gap"); n >= 0 {
			f.t.Errorf("two gaps: %q", storeSay(got))
		}
		storeFill(w, 1)
		if got := feed.all(); len(got) != 1 || got[0].Op != sdk.OpInsert {
			f.t.Errorf("after the gap: %q", storeSay(got))
		}
	}
	// A position of ours that lies in the future: the database went back in time.
	p := w.newest()
	p.Row += 1000
	if got := storeChanges(f, w.db, p).all(); len(got) != 1 || got[0].Op != sdk.OpGap {
		f.t.Errorf("from the future: %q", storeSay(got))
	}
}

func storeLogLineage(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (0)")
	other := f.elsewhere()
	feed := storeChanges(other, other.open(sdk.Secondary), w.newest())
	f.close(w.db)
	next := f.elsewhere().primaryWith(f.options(sdk.Primary), sdk.Fence{RecordEpoch: w.epoch + 1, AtLeast: w.epoch + 2})
	next.exec("INSERT INTO t VALUES (1)")
	got := feed.all()
	storeWantGap(f, got, 1)
	if got[0].Position.Lineage != next.grant.Lineage || got[1].Position.Lineage != next.grant.Lineage {
		f.t.Errorf("positions %s and %s, want lineage %s", got[0].Position, got[1].Position, next.grant.Lineage)
	}
}

func storeLogOff(f *storeFixture) {
	o := f.options(sdk.Primary)
	o.ChangeLog = false
	w := f.primaryWith(o, sdk.Fence{})
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)")
	if res := w.exec("INSERT INTO t VALUES (1)"); !res.Position.IsZero() {
		f.t.Errorf("position %s without a log", res.Position)
	}
	for _, c := range storeChanges(f, w.db, sdk.Position{}).all() {
		if c.Op != sdk.OpGap {
			f.t.Errorf("a change without a log: %+v", c)
		}
	}
}

func storeLogOffOn(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (0)")
	from := w.newest()
	f.close(w.db)
	o := f.options(sdk.Primary)
	o.ChangeLog = false
	w = f.primaryWith(o, sdk.Fence{})
	storeFill(w, 3)
	f.close(w.db)
	w = f.primary()
	storeFill(w, 1)
	storeWantGap(f, storeChanges(f, w.db, from).all(), 4)
}

// storeLogOwnTables finds what the store keeps in the same database and tries to
// damage it the way an application could.
func storeLogOwnTables(f *storeFixture) {
	w := f.primary()
	w.must(storeWrite(1, "CREATE TABLE own(a)"))
	before := f.status(w.db)
	for _, row := range w.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'own' AND name NOT LIKE 'sqlite_%'") {
		name := row[0].(string)
		for _, text := range []string{
			"DELETE FROM %q", "DROP TABLE %q", "ALTER TABLE %q RENAME TO gone", "ALTER TABLE %q ADD COLUMN more",
			"CREATE TRIGGER g AFTER INSERT ON %q BEGIN SELECT 1; END", "CREATE INDEX own_i ON %q(1)",
			"CREATE TRIGGER h AFTER INSERT ON own BEGIN DELETE FROM %q; END; INSERT INTO own VALUES (1)",
		} {
			text = fmt.Sprintf(text, name)
			if res := w.apply(storeTexts(text))[0]; res.Err == nil {
				f.t.Errorf("%s succeeded", text)
			}
		}
		w.rows(fmt.Sprintf("SELECT count(*) FROM %q", name))
	}
	if after := f.status(w.db); after.Epoch != before.Epoch || after.Workspace != before.Workspace || after.Lineage != before.Lineage {
		f.t.Errorf("status was %+v, is %+v", before, after)
	}
	w.exec("INSERT INTO own VALUES (1)")
	storeWantOutcomes(w, map[uint64]error{1: nil})
}
