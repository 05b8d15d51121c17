package systest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// plain opens a database the way a program without ramet does. It must be closed
// before the file is looked at by other means.
func plain(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func plainExec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.Exec(text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestDataFileIsNotSQLite(t *testing.T) {
	sdktest.NoLeaks(t)
	for name, text := range map[string]string{
		"text":      strings.Repeat("this is my diary, not a database\n", 100),
		"one byte":  "x",
		"half head": "SQLite format 3\x00" + strings.Repeat("\x00", 20) + "garbage",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "diary.db")
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := try(t, dir, dataAt(path))
		if !errors.Is(err, sdk.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrCorrupt naming %s", name, err, path)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
		for _, side := range []string{"-wal", "-shm", "-journal"} {
			if _, err := os.Stat(path + side); err == nil {
				t.Errorf("%s: %s was left", name, side)
			}
		}
	}
}

func TestDataFileIsADirectory(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	for _, path := range []string{dir, dir + "/", filepath.Join(dir, "none", "x.db"), filepath.Join(dir, "none") + "/"} {
		if _, err := try(t, dir, dataAt(path)); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), filepath.Clean(path)) {
			t.Errorf("%s: %v, want ErrInvalid", path, err)
		}
	}
}

// TestDataFileOfANewerVersion: it is left alone, and both versions are named.
func TestDataFileOfANewerVersion(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "d.db")
	i := boot(t, dir, dataAt(path))
	mustExec(t, i, "CREATE TABLE t(x)")
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	db := plain(t, path)
	plainExec(t, db, "UPDATE ramet_meta SET format = 99")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := digest(t, path)
	_, err := try(t, dir, dataAt(path))
	if !errors.Is(err, sdk.ErrIncompatible) || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), "up to 1") {
		t.Errorf("%v, want ErrIncompatible naming 99 and 1", err)
	}
	if after := digest(t, path); after != before {
		t.Error("the file of a newer version was changed")
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExistingFileKeepsItsContent: only ramet_* tables are added.
func TestExistingFileKeepsItsContent(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "mine.db")
	db := plain(t, path)
	plainExec(t, db, `PRAGMA user_version = 42; PRAGMA application_id = 4711;
		CREATE TABLE p(id INTEGER PRIMARY KEY, s TEXT UNIQUE); CREATE INDEX pi ON p(s);
		CREATE VIEW v AS SELECT s FROM p;
		CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, w TEXT);
		CREATE TRIGGER tr AFTER INSERT ON p BEGIN INSERT INTO log(w) VALUES(new.s); END;
		CREATE VIRTUAL TABLE f USING fts5(s);
		INSERT INTO p(s) VALUES('a'),('b'); INSERT INTO f VALUES('hello world')`)
	before := content(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	a := boot(t, dir, dataAt(path))
	b := boot(t, dir, dataAt(path))
	for _, i := range []*kernel.Instance{a, b} {
		if got := content(t, i.DB()); !slices.Equal(got, before) {
			t.Errorf("%s sees\n%s\nwant\n%s", i.Role(), strings.Join(got, "\n"), strings.Join(before, "\n"))
		}
	}
	if err := errors.Join(b.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	db = plain(t, path)
	if got := content(t, db); !slices.Equal(got, before) {
		t.Errorf("afterwards\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
	}
}

// content is everything in a database but the tables of ramet.
func content(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	for _, q := range []string{
		"SELECT type||' '||name||' '||coalesce(sql, '') FROM sqlite_schema WHERE tbl_name NOT LIKE 'ramet\\_%' ESCAPE '\\' ORDER BY 1",
		"SELECT id||s FROM p", "SELECT s FROM v", "SELECT id||w FROM log", "SELECT s FROM f WHERE f MATCH 'hello'",
		"SELECT name||seq FROM sqlite_sequence", "SELECT 'user_version '||user_version FROM pragma_user_version",
		"SELECT 'application_id '||application_id FROM pragma_application_id",
	} {
		rows, err := db.Query(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return all
}

// TestPlainProgramHoldsTheWriter: writes wait for it, nobody sees SQLITE_BUSY, and
// they go through afterwards.
func TestPlainProgramHoldsTheWriter(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "d.db")
	a, b := boot(t, dir, dataAt(path)), boot(t, dir, dataAt(path))
	mustExec(t, a, "CREATE TABLE t(x)")
	db := plain(t, path)
	plainExec(t, db, "BEGIN IMMEDIATE")
	plainExec(t, db, "INSERT INTO t VALUES('plain')")

	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, err := a.DB().ExecContext(ctx, "INSERT INTO t VALUES('late')")
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || isSQL(err) {
		t.Errorf("write with a deadline: %v, want the deadline and no error of SQLite", err)
	}
	for _, i := range []*kernel.Instance{a, b} {
		if got := count(t, i, "SELECT count(*) FROM t"); got != 0 {
			t.Errorf("%s reads %d rows, want 0", i.Role(), got)
		}
	}
	done := make(chan error, 8)
	for n := range cap(done) {
		i := []*kernel.Instance{a, b}[n%2]
		go func() {
			_, err := i.DB().ExecContext(within(t), "INSERT INTO t VALUES(?)", n)
			done <- err
		}()
	}
	tx := make(chan error, 1)
	go func() {
		tx <- transfer(within(t), b, "INSERT INTO t VALUES('tx')")
	}()
	select {
	case err := <-done:
		t.Fatalf("a write came back while another program held the writer: %v", err)
	case <-time.After(100 * time.Millisecond): // bounds what is looked at, asserts no time
	}
	plainExec(t, db, "COMMIT")
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := <-tx; err != nil {
		t.Errorf("transaction: %v", err)
	}
	if got := count(t, b, "SELECT count(*) FROM t"); got != cap(done)+2 {
		t.Errorf("%d rows, want %d", got, cap(done)+2)
	}
}

func transfer(ctx context.Context, i *kernel.Instance, texts ...string) error {
	tx, err := i.DB().BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, text := range texts {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func isSQL(err error) bool {
	var e *sdk.SQLError
	return errors.As(err, &e)
}

// TestPlainProgramHoldsTheWriterAtBootstrap: joining waits too.
func TestPlainProgramHoldsTheWriterAtBootstrap(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "d.db")
	db := plain(t, path)
	plainExec(t, db, "PRAGMA journal_mode = WAL")
	plainExec(t, db, "CREATE TABLE t(x)")
	plainExec(t, db, "BEGIN IMMEDIATE")
	plainExec(t, db, "INSERT INTO t VALUES(1)")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	i, err := kernel.Bootstrap(ctx, kernel.Config{Workdir: dir, DataPath: path, Plugins: plugins(t)})
	if err == nil {
		i.Close()
		t.Fatal("it came up although another program writes")
	}
	if !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	up := make(chan *kernel.Instance, 1)
	go func() {
		i, _ := kernel.Bootstrap(within(t), kernel.Config{Workdir: dir, DataPath: path, Plugins: plugins(t)})
		up <- i
	}()
	select {
	case <-up:
		t.Fatal("it came up although another program writes")
	case <-time.After(50 * time.Millisecond): // as above
	}
	plainExec(t, db, "COMMIT")
	i = <-up
	if i == nil {
		t.Fatal("it did not come up afterwards")
	}
	defer i.Close()
	if got := count(t, i, "SELECT count(*) FROM t"); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}
