package sdktest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

var storeOpenCases = []storeCase{
	{"secondary before it exists", "", storeOpenMissing},
	{"create and open again", "", storeOpenAgain},
	{"a secondary cannot write", "", storeOpenSecondary},
	{"bad options", "", storeOpenBad},
	{"every durability", "", storeOpenDurability},
	{"garbage is left as it is", "", storeOpenGarbage},
	{"ended context", "", storeOpenCancelled},
	{"snapshot", sdk.CapSnapshot, storeOpenSnapshot},
}

func storeOpenMissing(f *storeFixture) {
	_, err := f.run.Store().Open(f.ctx(), f.options(sdk.Secondary))
	storeWantError(f.t, "secondary without a database", err, sdk.ErrUnavailable)
	if left, _ := os.ReadDir(f.dir); len(left) != 0 {
		f.t.Errorf("a refused open as secondary left %v", left)
	}
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	storeWantRows(f, f.open(sdk.Secondary), "SELECT count(*) FROM t", int64(0))
}

func storeOpenAgain(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1), (2)")
	before := f.status(w.db)
	if before.Workspace == "" || before.Lineage == "" || before.Engine == "" {
		f.t.Errorf("status lacks workspace, lineage or engine: %+v", before)
	}
	if strings.Contains(before.Lineage, ":") {
		f.t.Errorf("lineage %q has a colon, which would break the text of a position", before.Lineage)
	}
	f.close(w.db)

	g := f.elsewhere()
	db := g.open(sdk.Primary)
	if after := g.status(db); after.Workspace != before.Workspace || after.Lineage != before.Lineage ||
		after.Epoch != before.Epoch || after.Newest != before.Newest {
		f.t.Errorf("status changed by opening again:\n%+v\n%+v", before, after)
	}
	storeWantRows(g, db, "SELECT a FROM t ORDER BY a", int64(1), int64(2))
}

func storeOpenSecondary(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	db := f.elsewhere().open(sdk.Secondary)
	ctx := f.ctx()
	_, err := db.Apply(ctx, w.epoch, []sdk.Request{storeTexts("INSERT INTO t VALUES (1)")})
	storeWantError(f.t, "Apply", err, sdk.ErrReadOnly)
	_, err = db.Advance(ctx, sdk.Fence{Observed: w.epoch})
	storeWantError(f.t, "Advance", err, sdk.ErrReadOnly)
	storeWantError(f.t, "SetSchema", db.SetSchema(ctx, w.epoch, 1), sdk.ErrReadOnly)
	if f.info.Has(sdk.CapInteractiveTx) {
		_, err = db.Begin(ctx, w.epoch, sdk.TxOptions{})
		storeWantError(f.t, "Begin", err, sdk.ErrReadOnly)
	}
	w.want("SELECT count(*) FROM t", int64(0))
	if got := f.status(db); got.Epoch != w.epoch {
		f.t.Errorf("the secondary reads epoch %d, want %d", got.Epoch, w.epoch)
	}
}

func storeOpenBad(f *storeFixture) {
	for name, change := range map[string]func(*sdk.OpenOptions){
		"durability": func(o *sdk.OpenOptions) { o.Durability = "perhaps" },
		"role":       func(o *sdk.OpenOptions) { o.Role = "tertiary" },
		"directory":  func(o *sdk.OpenOptions) { o.Path = f.dir },
	} {
		o := f.options(sdk.Primary)
		change(&o)
		_, err := f.run.Store().Open(f.ctx(), o)
		storeWantError(f.t, "bad "+name, err, sdk.ErrInvalid)
	}
	_, err := f.p.Open(f.ctx(), sdk.Env{Options: []byte(`{"no such option": 1}`)})
	storeWantError(f.t, "unknown option", err, sdk.ErrInvalid)
}

func storeOpenDurability(f *storeFixture) {
	for _, d := range []sdk.Durability{"", sdk.DurabilityFull, sdk.DurabilityProcess} {
		o := f.options(sdk.Primary)
		o.Durability = d
		w := f.primaryWith(o, sdk.Fence{})
		w.exec("CREATE TABLE IF NOT EXISTS t(a)", "INSERT INTO t VALUES (1)")
		f.close(w.db)
	}
	storeWantRows(f, f.open(sdk.Secondary), "SELECT count(*) FROM t", int64(3))
}

func storeOpenGarbage(f *storeFixture) {
	garbage := bytes.Repeat([]byte("this is not a database\n"), 500)
	if err := os.WriteFile(f.path, garbage, 0o600); err != nil {
		f.t.Fatal(err)
	}
	for _, role := range []sdk.Role{sdk.Secondary, sdk.Primary} {
		_, err := f.run.Store().Open(f.ctx(), f.options(role))
		storeWantError(f.t, string(role), err, sdk.ErrCorrupt)
	}
	if got, err := os.ReadFile(f.path); err != nil || !bytes.Equal(got, garbage) {
		f.t.Errorf("the file was changed (%v)", err)
	}
	left, _ := filepath.Glob(f.path + "?*")
	if len(left) != 0 {
		f.t.Errorf("files were left beside it: %v", left)
	}
}

func storeOpenCancelled(f *storeFixture) {
	w := f.primary()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := f.run.Store().Open(ctx, f.options(sdk.Secondary))
	if err != nil {
		f.t.Fatal(err)
	}
	cancel() // a context bounds the call, not the life of what it returned
	w.exec("CREATE TABLE t(a)")
	storeWantRows(f, db, "SELECT count(*) FROM t", int64(0))
}

func storeOpenSnapshot(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
	feed, err := w.db.Snapshot(f.ctx())
	if err != nil {
		f.t.Fatal(err)
	}
	s := &storeFeed{f: f, feed: feed}
	if got := s.all(); len(got) != 2 || got[0].Op != sdk.OpInsert || got[1].Op != sdk.OpInsert {
		f.t.Errorf("the content is %q, want two rows", storeSay(got))
	}
	if err := feed.Close(); err != nil {
		f.t.Error(err)
	}
}

var storeKeyCases = []storeCase{
	{"opens and creates nothing", "", storeKeyInert},
	{"equal for every path", "", storeKeyPaths},
}

func (f *storeFixture) key(path string) string {
	f.t.Helper()
	key, err := f.run.Store().ResourceKey(f.ctx(), sdk.OpenOptions{Path: path, Role: sdk.Primary})
	if err != nil {
		f.t.Fatalf("resource key of %s: %v", path, err)
	}
	if key == "" {
		f.t.Fatalf("resource key of %s is empty", path)
	}
	return key
}

func storeKeyInert(f *storeFixture) {
	before := f.key(f.path)
	if left, _ := os.ReadDir(f.dir); len(left) != 0 {
		f.t.Errorf("asking for the key left %v", left)
	}
	f.primary()
	if after := f.key(f.path); after != before {
		f.t.Errorf("the key changed when the database was created: %q, then %q", before, after)
	}
}

func storeKeyPaths(f *storeFixture) {
	want := f.key(f.path)
	name := filepath.Base(f.path)
	link := filepath.Join(f.t.TempDir(), "link")
	if err := os.Symlink(f.dir, link); err != nil {
		f.t.Fatal(err)
	}
	f.t.Chdir(filepath.Dir(f.dir))
	for _, path := range []string{
		filepath.Join(link, name),
		filepath.Join(filepath.Base(f.dir), name),
		f.dir + string(filepath.Separator) + "." + string(filepath.Separator) + name,
	} {
		if got := f.key(path); got != want {
			f.t.Errorf("key of %s is %q, want %q", path, got, want)
		}
	}
	f.primary()
	fileLink := filepath.Join(filepath.Dir(link), "other-name.db")
	if err := os.Symlink(f.path, fileLink); err != nil {
		f.t.Fatal(err)
	}
	if got := f.key(fileLink); got != want {
		f.t.Errorf("key through a link to the file is %q, want %q", got, want)
	}
	for _, other := range []string{filepath.Join(f.dir, "other.db"), filepath.Join(f.t.TempDir(), name)} {
		if f.key(other) == want {
			f.t.Errorf("%s has the same key as %s", other, f.path)
		}
	}
}
