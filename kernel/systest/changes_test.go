package systest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func openFeed(t *testing.T, i *kernel.Instance, from sdk.Position) *kernel.ChangeFeed {
	t.Helper()
	f, err := i.Changes(within(t), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// take reads n changes.
func take(t *testing.T, f *kernel.ChangeFeed, n int) (all []sdk.Change) {
	t.Helper()
	ctx := within(t)
	for range n {
		c, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("change %d of %d: %v", len(all)+1, n, err)
		}
		all = append(all, c)
	}
	return all
}

// none fails t if the feed has one more change.
func none(t *testing.T, f *kernel.ChangeFeed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one more change: %+v, %v", c, err)
	}
}

func text(all []sdk.Change) (s []string) {
	for _, c := range all {
		s = append(s, fmt.Sprintf("%s %s %d", c.Op, c.Table, c.RowID))
	}
	return s
}

func rising(t *testing.T, all []sdk.Change) {
	t.Helper()
	for n := 1; n < len(all); n++ {
		a, b := all[n-1], all[n]
		if b.Position.Lineage != a.Position.Lineage || b.Position.Row <= a.Position.Row || b.Epoch < a.Epoch {
			t.Errorf("change %d: %v of epoch %d after %v of epoch %d", n, b.Position, b.Epoch, a.Position, a.Epoch)
		}
	}
}

// TestPrimarysOwnWritesBypassTheFeed: they did, in the system ramet replaces, and
// changes had neither row nor sequence. Here every instance sees the same.
func TestPrimarysOwnWritesBypassTheFeed(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY, x); CREATE TABLE w(k TEXT PRIMARY KEY) WITHOUT ROWID")
	feeds := []*kernel.ChangeFeed{openFeed(t, a, sdk.Position{}), openFeed(t, b, sdk.Position{})}
	mustExec(t, a, "INSERT INTO t VALUES(7, 'a')")
	mustExec(t, b, "INSERT INTO t VALUES(8, 'b')")
	mustExec(t, a, "UPDATE t SET x = 'c' WHERE id = 7")
	if err := transfer(within(t), b, "UPDATE t SET id = 9 WHERE id = 8", "DELETE FROM t WHERE id = 7"); err != nil {
		t.Fatal(err)
	}
	if err := transfer(within(t), b, "INSERT INTO t VALUES(10, 'rolled back')", "INSERT INTO none VALUES(1)"); err == nil {
		t.Fatal("a wrong statement gave no error")
	}
	mustExec(t, a, "INSERT INTO w VALUES('k')")
	want := []string{"insert t 7", "insert t 8", "update t 7", "update t 9", "delete t 7", "insert w 0"}
	var first []sdk.Change
	for n, f := range feeds {
		got := take(t, f, len(want))
		none(t, f)
		if !slices.Equal(text(got), want) {
			t.Errorf("feed %d: %q, want %q", n, text(got), want)
		}
		rising(t, got)
		if !got[5].NoRowID || got[0].NoRowID {
			t.Errorf("NoRowID: %+v", got)
		}
		if first == nil {
			first = got
		} else if !slices.Equal(got, first) {
			t.Errorf("the instances saw different changes:\n%+v\n%+v", first, got)
		}
	}
}

// TestFeedGoesOnAfterFailover: each change once, in order, with growing epochs;
// an old position resumes at any instance.
func TestFeedGoesOnAfterFailover(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir, named("a")), boot(t, dir, named("b")), boot(t, dir, named("c"))
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	feed := openFeed(t, c, sdk.Position{})
	for n := range 10 {
		mustExec(t, []*kernel.Instance{a, b, c}[n%3], "INSERT INTO t VALUES(?)", n)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 10; n < 20; n++ {
		mustExec(t, []*kernel.Instance{b, c}[n%2], "INSERT INTO t VALUES(?)", n)
	}
	got := take(t, feed, 20)
	none(t, feed)
	rising(t, got)
	for n, ch := range got {
		if ch.RowID != int64(n) || ch.Op != sdk.OpInsert {
			t.Fatalf("change %d is %+v", n, ch)
		}
	}
	if got[0].Epoch != 1 || got[19].Epoch != 2 {
		t.Errorf("epochs %d to %d, want 1 to 2", got[0].Epoch, got[19].Epoch)
	}
	for _, i := range []*kernel.Instance{b, c, boot(t, dir, named("d"))} {
		from, err := sdk.ParsePosition(got[4].Position.String())
		if err != nil {
			t.Fatal(err)
		}
		f := openFeed(t, i, from)
		if rest := take(t, f, 15); !slices.Equal(rest, got[5:]) {
			t.Errorf("%s resumed with %+v", i.ID(), rest)
		}
		none(t, f)
	}
}

// TestTrimmedFeedSaysGap: what is no longer kept is said to be missing, and the
// feed goes on behind it.
func TestTrimmedFeedSaysGap(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	small := func(c *kernel.Config) { c.ChangeRetention = 10 }
	a, b := boot(t, dir, small), boot(t, dir, small)
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	start := take(t, func() *kernel.ChangeFeed {
		f := openFeed(t, b, sdk.Position{})
		mustExec(t, a, "INSERT INTO t VALUES(0)")
		return f
	}(), 1)[0]
	for n := 1; n <= 5000; n += 500 { // trimming may be lazy, not absent
		mustExec(t, a, "WITH RECURSIVE s(n) AS (VALUES(?) UNION ALL SELECT n+1 FROM s WHERE n < ?) INSERT INTO t SELECT n FROM s", n, n+499)
	}
	for _, i := range []*kernel.Instance{a, b} {
		f := openFeed(t, i, start.Position)
		all := take(t, f, 1)
		if all[0].Op != sdk.OpGap || all[0].Table != "" || all[0].Position.Row <= start.Position.Row {
			t.Fatalf("%s: first change %+v, want a gap", i.Role(), all[0])
		}
		last := all[0]
		for last.RowID != 5000 {
			last = take(t, f, 1)[0]
			if last.Op != sdk.OpInsert {
				t.Fatalf("%+v after the gap", last)
			}
		}
		none(t, f)
	}
}

// TestForeignPositionSaysGap: a position of another database, or one that lies
// ahead, is not an error.
func TestForeignPositionSaysGap(t *testing.T) {
	sdktest.NoLeaks(t)
	i := boot(t, t.TempDir())
	mustExec(t, i, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)")
	here := take(t, openFeed(t, i, sdk.Position{}), 1)[0].Position
	for _, from := range []sdk.Position{{Lineage: "elsewhere", Row: 1}, {Lineage: here.Lineage, Row: here.Row + 1000}} {
		if c := take(t, openFeed(t, i, from), 1)[0]; c.Op != sdk.OpGap || c.Position.Lineage != here.Lineage {
			t.Errorf("from %v: %+v, want a gap", from, c)
		}
	}
}

func TestNoChangeLog(t *testing.T) {
	sdktest.NoLeaks(t)
	i := boot(t, t.TempDir(), func(c *kernel.Config) { c.NoChangeLog = true })
	mustExec(t, i, "CREATE TABLE t(x)")
	if _, err := i.Changes(within(t), sdk.Position{}); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("Changes: %v, want ErrUnsupported", err)
	}
}

// TestRestoredBackup: the epoch never goes back, and who follows the feed is told
// that the content was replaced.
func TestRestoredBackup(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	data := filepath.Join(dir, ".ramet", "ramet.db")
	a := boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)")
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, data, backup) // closed in good order, so the file is whole
	var last sdk.Position
	var epoch uint64
	for n := 2; n <= 4; n++ { // three more epochs
		i := boot(t, dir)
		mustExec(t, i, "INSERT INTO t VALUES(?)", n)
		f := openFeed(t, i, sdk.Position{})
		last, epoch = take(t, f, n)[n-1].Position, i.Lease().Epoch
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before, err := kernel.Inspect(within(t), kernel.Config{Workdir: dir, Plugins: plugins(t)})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, backup, data) // as cp does: the same file, older content
	i := boot(t, dir)
	st, err := i.Status(within(t))
	if err != nil || st.Epoch <= epoch || st.Lineage == before.Lineage || st.Workspace != before.Workspace {
		t.Errorf("epoch %d after %d, lineage %s after %s, workspace %s after %s (%v)",
			st.Epoch, epoch, st.Lineage, before.Lineage, st.Workspace, before.Workspace, err)
	}
	if c := take(t, openFeed(t, i, last), 1)[0]; c.Op != sdk.OpGap || c.Position.Lineage != st.Lineage {
		t.Errorf("a position from before the restore gave %+v, want a gap", c)
	}
	if got := count(t, i, "SELECT count(*) FROM t"); got != 1 {
		t.Errorf("%d rows, want the backup's 1", got)
	}
	mustExec(t, i, "INSERT INTO t VALUES(2)")
}

// TestCopiedDirectory: a copy is a workspace of its own.
func TestCopiedDirectory(t *testing.T) {
	sdktest.NoLeaks(t)
	dir, twin := t.TempDir(), t.TempDir()
	a := boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)")
	last := take(t, openFeed(t, a, sdk.Position{}), 1)[0].Position
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(twin, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(twin, ".ramet"), 0o700); err != nil {
		t.Fatal(err)
	}
	a, b := boot(t, dir), boot(t, twin)
	x, err := a.Status(within(t))
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Status(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if x.Workspace == y.Workspace || x.Lineage == y.Lineage || a.Role() != sdk.Primary || b.Role() != sdk.Primary {
		t.Errorf("workspaces %s %s, lineages %s %s, roles %s %s", x.Workspace, y.Workspace, x.Lineage, y.Lineage, a.Role(), b.Role())
	}
	mustExec(t, a, "INSERT INTO t VALUES(2)")
	if got := count(t, b, "SELECT count(*) FROM t"); got != 1 {
		t.Errorf("a write into the original shows in the copy: %d rows", got)
	}
	if c := take(t, openFeed(t, b, last), 1)[0]; c.Op != sdk.OpGap {
		t.Errorf("the copy takes the original's position: %+v", c)
	}
	if c := take(t, openFeed(t, a, last), 1)[0]; c.Op != sdk.OpInsert || c.RowID != 2 {
		t.Errorf("the original does not: %+v", c)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// overwrite is copyFile for a target that exists and keeps its identity.
func overwrite(t *testing.T, from, to string) {
	t.Helper()
	before, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, from, to)
	if after, err := os.Stat(to); err != nil || !os.SameFile(before, after) {
		t.Fatalf("not the same file: %v", err)
	}
}
