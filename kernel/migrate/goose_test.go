package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/ramet-io/ramet/kernel/internal/sqlroute"
	"github.com/ramet-io/ramet/kernel/migrate"
	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
)

func TestGooseBringsTheSchemaUp(t *testing.T) {
	db, _ := open(t)
	up, version, err := migrate.Goose(os.DirFS("testdata"), "migrations")
	if err != nil || version != 20260103000000 {
		t.Fatal(version, err)
	}
	for range 2 { // the second time there is nothing to do
		if err := up(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	var n, highest int64
	if err := db.QueryRow("SELECT count(*), max(version_id) FROM goose_db_version").Scan(&n, &highest); err != nil || n != 5 || highest != version {
		t.Errorf("goose_db_version has %d rows up to %d, %v", n, highest, err)
	}
	if _, err := db.Exec("INSERT INTO messages (session, body) VALUES (1, 'hello; world')"); err != nil {
		t.Fatal(err)
	}
	var body string
	if err := db.QueryRow("SELECT body FROM messages_text WHERE messages_text MATCH 'hello'").Scan(&body); err != nil || body != "hello; world" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestGooseGoesOnAfterTheMigrationThatFailed(t *testing.T) {
	db, _ := open(t)
	files := fstest.MapFS{
		"1_a.sql": file("CREATE TABLE a (x);"),
		"2_b.sql": file("CREATE TABLE b (x);\nINSERT INTO nowhere VALUES (1);"),
	}
	up, version, err := migrate.Goose(files, ".")
	if err != nil || version != 2 {
		t.Fatal(version, err)
	}
	err = up(t.Context(), db)
	var sqlError *sdk.SQLError
	if !errors.As(err, &sqlError) || !strings.Contains(err.Error(), "2_b.sql") {
		t.Fatalf("the error does not tell: %v", err)
	}
	if tables(t, db) != "a" {
		t.Errorf("tables after the failure: %s", tables(t, db))
	}
	files["2_b.sql"] = file("CREATE TABLE b (x);")
	if err := up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if tables(t, db) != "a b" {
		t.Errorf("tables at the end: %s", tables(t, db))
	}
}

func TestGooseWithoutTransaction(t *testing.T) {
	db, _ := open(t)
	up, _, err := migrate.Goose(fstest.MapFS{"1_a.sql": file("-- +goose NO TRANSACTION\n" +
		"CREATE TABLE IF NOT EXISTS a (x);\nCREATE TABLE IF NOT EXISTS b (x);\nVACUUM INTO 'copy';")}, ".")
	if err != nil {
		t.Fatal(err)
	}
	if err := up(t.Context(), db); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("VACUUM INTO: %v", err)
	}
	if tables(t, db) != "a b" {
		t.Errorf("each statement is its own transaction, but there are %q", tables(t, db))
	}
}

func TestGooseRefusesWhatReachesBeyondTheDatabase(t *testing.T) {
	for _, text := range []string{"ATTACH 'x.db' AS x;", "PRAGMA journal_mode = DELETE;", "CREATE TEMP TABLE x (y);", "VACUUM;"} {
		db, _ := open(t)
		up, _, err := migrate.Goose(fstest.MapFS{"1_a.sql": file("CREATE TABLE a (x);\n" + text)}, ".")
		if err != nil {
			t.Fatal(err)
		}
		if err := up(t.Context(), db); !errors.Is(err, sdk.ErrUnsupported) || !strings.Contains(err.Error(), "1_a.sql") {
			t.Errorf("%s: %v", text, err)
		}
		if tables(t, db) != "" {
			t.Errorf("%s: left %s", text, tables(t, db))
		}
	}
}

func TestGooseStopsWhenThePrimaryIsFenced(t *testing.T) {
	db, b := open(t)
	up, _, err := migrate.Goose(os.DirFS("testdata"), "migrations")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.db.Advance(t.Context(), sdk.Fence{Observed: b.epoch}); err != nil {
		t.Fatal(err)
	}
	if err := up(t.Context(), db); !errors.Is(err, sdk.ErrFenced) {
		t.Errorf("migrated under an old epoch: %v", err)
	}
	if n := b.begun.Load(); n != 1 {
		t.Errorf("tried %d times", n)
	}
	if tables(t, db) != "" {
		t.Errorf("left %s", tables(t, db))
	}
}

func TestGooseNeedsMigrations(t *testing.T) {
	for dir, files := range map[string]fstest.MapFS{
		".":       {},
		"nowhere": {},
		"twice":   {"twice/1_a.sql": file(""), "twice/1_b.sql": file("")},
		"../x":    {},
	} {
		if _, _, err := migrate.Goose(files, dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func file(up string) *fstest.MapFile {
	head := "-- +goose Up\n"
	if strings.HasPrefix(up, "-- +goose NO") {
		head, up, _ = strings.Cut(up, "\n")
		head += "\n-- +goose Up\n"
	}
	return &fstest.MapFile{Data: []byte(head + up + "\n")}
}

// tables names the application's tables.
func tables(t *testing.T, db *sql.DB) string {
	t.Helper()
	var names sql.NullString
	err := db.QueryRow(`SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema WHERE type = 'table'
		AND name NOT LIKE 'ramet_%' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name)`).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names.String
}

// backend runs sqlroute on the store, as the kernel does while it migrates.
type backend struct {
	db    sdk.DB
	epoch uint64
	turn  chan struct{}
	begun atomic.Int64
}

func open(t *testing.T) (*sql.DB, *backend) {
	t.Helper()
	ctx := context.Background()
	running, err := sqlite.New().Open(ctx, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := running.Store().Open(ctx, sdk.OpenOptions{Path: filepath.Join(t.TempDir(), "t.db"), Role: sdk.Primary, ChangeLog: true})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := store.Advance(ctx, sdk.Fence{})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{db: store, epoch: grant.Epoch, turn: make(chan struct{}, 1)}
	db := sqlroute.Open(b)
	t.Cleanup(func() {
		for _, err := range []error{db.Close(), store.Close(ctx), running.Close(ctx)} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return db, b
}

func (b *backend) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return b.db.Prepare(ctx, text)
}

func (b *backend) Read(ctx context.Context, s sdk.Statement) (sqlroute.Reading, error) {
	rows, err := b.db.Query(ctx, sdk.Query{Statement: s})
	if err != nil {
		return sqlroute.Reading{}, err
	}
	return sqlroute.First(ctx, rows)
}

func (b *backend) Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	r, err := b.db.Apply(ctx, b.epoch, []sdk.Request{{Statements: s}})
	if err != nil {
		return sdk.Result{}, err
	}
	return r[0], r[0].Err
}

func (b *backend) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	b.begun.Add(1)
	b.turn <- struct{}{}
	tx, err := b.db.Begin(ctx, b.epoch, o)
	if err != nil {
		<-b.turn
		return nil, err
	}
	return &turnTx{Tx: tx, end: sync.OnceFunc(func() { <-b.turn })}, nil
}

type turnTx struct {
	sdk.Tx
	end func()
}

func (t *turnTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	defer t.end()
	return t.Tx.Commit(ctx, r)
}

func (t *turnTx) Rollback(ctx context.Context) error {
	defer t.end()
	return t.Tx.Rollback(ctx)
}
