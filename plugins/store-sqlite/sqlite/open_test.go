package sqlite

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func tryOpen(t *testing.T, path string, role sdk.Role) error {
	t.Helper()
	d, err := newStore(t).Open(bounded(t), sdk.OpenOptions{Path: path, Role: role})
	if err == nil {
		_ = d.Close(bounded(t))
	}
	return err
}

func TestSecondaryWaitsForThePrimary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	wantError(t, tryOpen(t, path, sdk.Secondary), sdk.ErrUnavailable)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, tryOpen(t, path, sdk.Secondary), sdk.ErrUnavailable)
	wantError(t, tryOpen(t, filepath.Join(path+"x", "b.db"), sdk.Secondary), sdk.ErrUnavailable)
}

func TestOtherFileIsLeftAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text := bytes.Repeat([]byte("this is a diary, not a database\n"), 100)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, tryOpen(t, path, sdk.Primary), sdk.ErrCorrupt)
	wantError(t, tryOpen(t, path, sdk.Secondary), sdk.ErrCorrupt)
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("the file was changed (%v)", err)
	}
	wantError(t, tryOpen(t, filepath.Dir(path), sdk.Primary), sdk.ErrInvalid)
}

func TestNewerFormatIsRefused(t *testing.T) {
	d, _ := primary(t)
	if err := d.w.exec("UPDATE ramet_meta SET format = 2"); err != nil {
		t.Fatal(err)
	}
	wantError(t, tryOpen(t, d.path, sdk.Primary), sdk.ErrIncompatible)
	wantError(t, tryOpen(t, d.path, sdk.Secondary), sdk.ErrIncompatible)
}

func TestHardLinkIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	wantError(t, tryOpen(t, path, sdk.Primary), sdk.ErrInvalid)
}

func TestPlainDatabaseIsConvertedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%41.db") // each would break a careless URI
	plain, err := sql.Open("sqlite", dsn(path, false)+"c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Exec("CREATE TABLE old(a); INSERT INTO old VALUES (42)"); err != nil {
		t.Fatal(err)
	}
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	d := open(t, path, sdk.Primary)
	if got := query(t, d, "SELECT a FROM old"); got[0][0] != int64(42) {
		t.Errorf("got %v", got)
	}
	if got := query(t, d, "PRAGMA journal_mode"); got[0][0] != "wal" {
		t.Errorf("journal mode %v", got)
	}
}

func TestNewFilesAreForTheirOwnerOnly(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(d.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
}

func TestResourceKeyIsTheSameForEveryPath(t *testing.T) {
	s, dir := newStore(t), t.TempDir()
	key := func(path string) string {
		k, err := s.ResourceKey(bounded(t), sdk.OpenOptions{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	before := key(filepath.Join(dir, "real", "a.db"))
	if before != key(filepath.Join(dir, "link", "a.db")) || before == key(filepath.Join(dir, "real", "b.db")) {
		t.Error("keys differ by path, or not by file")
	}
	if err := os.WriteFile(filepath.Join(dir, "real", "a.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if before != key(filepath.Join(dir, "link", "a.db")) {
		t.Error("the key changed when the file was made")
	}
	if _, err := s.ResourceKey(bounded(t), sdk.OpenOptions{}); err == nil {
		t.Error("no path, no error")
	}
}

func TestCloseEndsWhatIsOpen(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE t(a)")
	ctx := bounded(t)
	r, err := d.Query(ctx, sdk.Query{Statement: stmt("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 100000) SELECT i FROM n")})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := d.Begin(ctx, epoch, sdk.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, stmt("INSERT INTO t VALUES (1)")); err != nil {
		t.Fatal(err)
	}
	snap, err := d.Begin(ctx, 0, sdk.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(ctx); err == nil {
		t.Error("rows live on")
	}
	_, err = tx.Commit(ctx, sdk.Request{})
	wantError(t, err, sdk.ErrTxLost)
	_, err = snap.Query(ctx, stmt("SELECT 1"))
	wantError(t, err, sdk.ErrTxLost)
	_, err = d.Apply(ctx, epoch, nil)
	wantError(t, err, sdk.ErrClosed)
	_, err = d.Query(ctx, sdk.Query{Statement: stmt("SELECT 1")})
	wantError(t, err, sdk.ErrClosed)
}
