package systest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// schema declares a version and a migration that counts its runs.
func schema(version int64, runs *atomic.Int32, text string) func(*kernel.Config) {
	return func(c *kernel.Config) {
		c.SchemaVersion = version
		c.Migrate = func(ctx context.Context, db *sql.DB) error {
			runs.Add(1)
			_, err := db.ExecContext(ctx, text)
			return err
		}
	}
}

// TestMigrateRunsOnce: not by a secondary, and not again at promotions of the same
// version.
func TestMigrateRunsOnce(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	var runs atomic.Int32
	v1 := schema(1, &runs, "CREATE TABLE t(x)")
	a, b, c := boot(t, dir, v1), boot(t, dir, v1), boot(t, dir, v1)
	for _, i := range []*kernel.Instance{a, b} {
		mustExec(t, i, "INSERT INTO t VALUES(1)")
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, c, "INSERT INTO t VALUES(1)")
	if runs.Load() != 1 {
		t.Errorf("the migration ran %d times", runs.Load())
	}
	if st, err := c.Status(within(t)); err != nil || st.Schema != 1 {
		t.Errorf("schema %d (%v), want 1", st.Schema, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var upgrades atomic.Int32
	d := boot(t, dir, schema(2, &upgrades, "ALTER TABLE t ADD y"))
	mustExec(t, d, "UPDATE t SET y = 1")
	if upgrades.Load() != 1 || runs.Load() != 1 {
		t.Errorf("upgrade ran %d times, first one %d", upgrades.Load(), runs.Load())
	}
}

// TestMigrationMayDoEverything: transactions, rows, many statements.
func TestMigrationMayDoEverything(t *testing.T) {
	sdktest.NoLeaks(t)
	i := boot(t, t.TempDir(), func(c *kernel.Config) {
		c.SchemaVersion = 3
		c.Migrate = func(ctx context.Context, db *sql.DB) error {
			if _, err := db.ExecContext(ctx, "CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t(x) VALUES(1),(2)"); err != nil {
				return err
			}
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var sum int
			if err := tx.QueryRowContext(ctx, "SELECT sum(x) FROM t").Scan(&sum); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO t(x) VALUES(?)", sum); err != nil {
				return err
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			return db.QueryRowContext(ctx, "INSERT INTO t(x) VALUES(9) RETURNING id").Scan(&sum)
		}
	})
	if got := count(t, i, "SELECT sum(x) FROM t"); got != 15 {
		t.Errorf("sum %d, want 15", got)
	}
}

// TestLowerVersionIsNotPromoted: an old program never serves a newer schema; with
// no other candidate calls say so at once and name both versions.
func TestLowerVersionIsNotPromoted(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	var runs, old atomic.Int32
	a := boot(t, dir, named("new"), schema(5, &runs, "CREATE TABLE t(x)"))
	b := boot(t, dir, named("old"), schema(4, &old, "CREATE TABLE t(x)"))
	mustExec(t, b, "INSERT INTO t VALUES(1)") // as a secondary it works
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	// No deadline: it must not run into CallTimeout.
	_, err := b.DB().Exec("INSERT INTO t VALUES(2)")
	if !errors.Is(err, sdk.ErrIncompatible) || !strings.Contains(err.Error(), "5") || !strings.Contains(err.Error(), "4") {
		t.Errorf("write: %v, want ErrIncompatible naming 5 and 4", err)
	}
	if b.Role() == sdk.Primary || old.Load() != 0 {
		t.Errorf("the old program became %q, its migration ran %d times", b.Role(), old.Load())
	}
	if got := count(t, b, "SELECT count(*) FROM t"); got != 1 {
		t.Errorf("reads give %d, want 1", got)
	}
	st, err := b.Status(within(t))
	if err != nil || !strings.Contains(strings.Join(st.Degraded, " "), "schema") {
		t.Errorf("degraded %q (%v) does not name the schema", st.Degraded, err)
	}
	// The right program comes back: the old one goes on as its secondary.
	c := boot(t, dir, named("new again"), schema(5, &runs, "fail"))
	if c.Role() != sdk.Primary || runs.Load() != 1 {
		t.Errorf("role %q, %d migrations", c.Role(), runs.Load())
	}
	mustExec(t, b, "INSERT INTO t VALUES(3)")
}

// TestOldProgramAlone: it comes up, reads, and says why it does not serve.
func TestOldProgramAlone(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	var runs atomic.Int32
	if err := boot(t, dir, schema(5, &runs, "CREATE TABLE t(x)")).Close(); err != nil {
		t.Fatal(err)
	}
	b := boot(t, dir, schema(4, &runs, "fail"))
	if _, err := b.DB().Exec("INSERT INTO t VALUES(2)"); !errors.Is(err, sdk.ErrIncompatible) {
		t.Errorf("write: %v, want ErrIncompatible", err)
	}
	if got := count(t, b, "SELECT count(*) FROM t"); got != 0 || b.Role() != sdk.Secondary {
		t.Errorf("count %d, role %q", got, b.Role())
	}
}

// TestFailedMigrationLeavesThePlaceToOthers: what it did not commit is gone, and a
// candidate that can migrate is promoted.
func TestFailedMigrationLeavesThePlaceToOthers(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a := boot(t, dir, named("a"))
	mustExec(t, a, "CREATE TABLE t(x)")
	var bad, good atomic.Int32
	b := boot(t, dir, named("bad"), schema(2, &bad, "CREATE TABLE half(x); INSERT INTO none VALUES(1)"))
	c := boot(t, dir, named("good"), schema(2, &good, "CREATE TABLE whole(x)"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, c, sdk.Primary)
	mustExec(t, b, "INSERT INTO whole VALUES(1)")
	if c.Role() != sdk.Primary || good.Load() != 1 {
		t.Errorf("role %q of the one that can, %d runs", c.Role(), good.Load())
	}
	if got := count(t, c, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"); got != 0 {
		t.Error("half a migration was left")
	}
}
