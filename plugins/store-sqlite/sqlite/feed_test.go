package sqlite

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func allChanges(t *testing.T, d *db, from sdk.Position) []sdk.Change {
	t.Helper()
	f, err := d.Changes(bounded(t), from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []sdk.Change
	for {
		page, err := f.Next(bounded(t))
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
	}
}

func TestChangesOfTriggersAndFullTextSearch(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch,
		"CREATE TABLE doc(id INTEGER PRIMARY KEY, body TEXT)",
		"CREATE VIRTUAL TABLE idx USING fts5(body, content='doc', content_rowid='id')",
		"CREATE TRIGGER ai AFTER INSERT ON doc BEGIN INSERT INTO idx(rowid, body) VALUES (new.id, new.body); INSERT INTO log VALUES (new.id, 'x'); END",
		"CREATE TABLE log(id INTEGER, what TEXT, PRIMARY KEY (id, what)) WITHOUT ROWID")
	must(t, d, epoch, "INSERT INTO doc VALUES (7, 'hello world')", "UPDATE doc SET id = 8 WHERE id = 7", "DELETE FROM doc")
	want := []sdk.Change{
		{Table: "doc", Op: sdk.OpInsert, RowID: 7},
		{Table: "log", Op: sdk.OpInsert, NoRowID: true},
		{Table: "doc", Op: sdk.OpUpdate, RowID: 8},
		{Table: "doc", Op: sdk.OpDelete, RowID: 8},
	}
	got := allChanges(t, open(t, d.path, sdk.Secondary), sdk.Position{})
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, w := range want {
		w.Epoch, w.Position = epoch, sdk.Position{Lineage: d.lineage, Row: uint64(i + 1)}
		if got[i] != w {
			t.Errorf("change %d is %+v, want %+v", i, got[i], w)
		}
	}
	if rest := allChanges(t, d, got[1].Position); len(rest) != 2 || rest[0] != got[2] {
		t.Errorf("from a position: %+v", rest)
	}
	if n := query(t, d, "SELECT count(*) FROM idx WHERE idx MATCH 'hello'"); n[0][0] != int64(1) {
		t.Errorf("the index has %v", n)
	}
}

func TestTrimmedChangesGiveAGap(t *testing.T) {
	s := newStore(t)
	opened, err := s.Open(bounded(t), sdk.OpenOptions{Path: filepath.Join(t.TempDir(), "a.db"), Role: sdk.Primary, ChangeLog: true, ChangeRetention: 10})
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*db)
	epoch := advance(t, d).Epoch
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)")
	first := must(t, d, epoch, "INSERT INTO t VALUES (1)").Position
	for range 30 {
		must(t, d, epoch, "INSERT INTO t SELECT max(a) + 1 FROM t")
	}
	st, err := d.Status(bounded(t))
	if err != nil || st.Newest.Row != 31 || st.Oldest.Row < 18 || st.Oldest.Row > 21 {
		t.Fatalf("status %+v, %v", st, err)
	}
	got := allChanges(t, d, first)
	if got[0].Op != sdk.OpGap || got[0].Position != st.Oldest || len(got) != int(31-st.Oldest.Row)+1 {
		t.Errorf("got %d changes, first %+v", len(got), got[0])
	}
	if got := allChanges(t, d, st.Oldest); got[0].Op == sdk.OpGap {
		t.Error("a gap from the oldest position")
	}
	if got := allChanges(t, d, sdk.Position{Lineage: st.Lineage, Row: 99}); len(got) != 1 || got[0].Op != sdk.OpGap {
		t.Errorf("from the future: %+v", got)
	}
	d.swept = 0 // positions are never used again, also when no row is left
	must(t, d, epoch, "INSERT INTO t VALUES (1000)")
	next := advance(t, d).Epoch
	if p := must(t, d, next, "INSERT INTO t VALUES (1001)").Position; p.Row != 33 {
		t.Errorf("position %v after 32 changes", p)
	}
}

func TestPagesKeepARequestTogether(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)")
	numbers := func(n string) string {
		return "INSERT INTO t(a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT " + n +
			") SELECT i + (SELECT coalesce(max(a), 0) FROM t) FROM n"
	}
	must(t, d, epoch, numbers("400"))
	must(t, d, epoch, numbers("300"))
	must(t, d, epoch, numbers("1200"))
	f, err := d.Changes(bounded(t), sdk.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{400, 300, 512, 512, 176} {
		page, err := f.Next(bounded(t))
		if err != nil || len(page) != want {
			t.Fatalf("page %d has %d changes (%v), want %d", i, len(page), err, want)
		}
	}
	if _, err := f.Next(bounded(t)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestWritesWithoutALogAreAGapLater(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a INTEGER PRIMARY KEY)")
	last := must(t, d, epoch, "INSERT INTO t VALUES (1)").Position
	quiet, err := newStore(t).Open(bounded(t), sdk.OpenOptions{Path: d.path, Role: sdk.Primary})
	if err != nil {
		t.Fatal(err)
	}
	q := quiet.(*db)
	if r := must(t, q, advance(t, q).Epoch, "INSERT INTO t VALUES (2)"); r.Position.Row != 0 {
		t.Errorf("position %v without a log", r.Position)
	}
	again := open(t, d.path, sdk.Primary)
	must(t, again, advance(t, again).Epoch, "INSERT INTO t VALUES (3)")
	if got := allChanges(t, again, last); len(got) != 2 || got[0].Op != sdk.OpGap || got[1].RowID != 3 {
		t.Errorf("got %+v", got)
	}
}
