//go:build unix

package systest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// migrations returns a migration of two steps that each run once, as every
// migration tool does it. Between them the first process to get there stops itself
// (o.Migrate "stop"), or kills itself ("kill"); "plain" goes on.
func migrations(o bootOptions) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS steps(n INTEGER, pid INTEGER)"); err != nil {
			return err
		}
		if err := step(ctx, db, 1, "CREATE TABLE first(x)"); err != nil {
			return err
		}
		if err := halt(o); err != nil {
			return err
		}
		return step(ctx, db, 2, "CREATE TABLE second(x)")
	}
}

// step runs text and records it, in one transaction, unless it is recorded.
func step(ctx context.Context, db *sql.DB, n int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var done int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM steps WHERE n = ?", n).Scan(&done); err != nil || done > 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO steps VALUES(?, ?)", n, os.Getpid()); err != nil {
		return err
	}
	return tx.Commit()
}

func halt(o bootOptions) error {
	sig := map[string]syscall.Signal{"stop": syscall.SIGSTOP, "kill": syscall.SIGKILL}[o.Migrate]
	if sig == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(o.Dir, "halted"), os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// kill may return before the signal arrives, in another thread.
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	if err := errors.Join(f.Close(), syscall.Kill(os.Getpid(), sig)); err != nil {
		return err
	}
	<-resumed
	return nil
}

func migrate(how string) func(*bootOptions) { return func(o *bootOptions) { o.Migrate = how } }

// TestPrimaryStoppedBetweenMigrationSteps: another takes over and ends the
// migration; the stopped one cannot go on with it.
func TestPrimaryStoppedBetweenMigrationSteps(t *testing.T) {
	dir := t.TempDir()
	a := spawn(t, "a")
	booting := a.boot(dir, migrate("stop"))
	a.awaitStop()
	b := join(t, dir, "b", migrate("plain"))
	c := join(t, dir, "c", migrate("plain"))
	primaryOf(t, b, c)
	migrated(t, b, 2)
	a.resume()
	if got := a.await(booting); got.Err != "" || got.Role != sdk.Secondary {
		t.Errorf("Bootstrap of the resumed one: role %q, error %q; want a secondary", got.Role, got.Err)
	}
	primaryOf(t, a, b, c)
	a.exec("INSERT INTO second VALUES(1)")
	migrated(t, a, 2)
}

// TestPrimaryKilledBetweenMigrationSteps: the next one ends the migration.
func TestPrimaryKilledBetweenMigrationSteps(t *testing.T) {
	dir := t.TempDir()
	a := spawn(t, "a")
	if got := a.await(a.boot(dir, migrate("kill"))); !got.Gone {
		t.Fatalf("the first one was not killed: role %q, error %q", got.Role, got.Err)
	}
	b := join(t, dir, "b", migrate("plain"))
	primaryOf(t, b)
	migrated(t, b, 2)
}

// TestStandbysEndTheMigrationOfAKilledPrimary: all nodes are there when the primary dies
// in its migration, and each of them could end it.
func TestStandbysEndTheMigrationOfAKilledPrimary(t *testing.T) {
	dir := t.TempDir()
	nodes := []*node{spawn(t, "a"), spawn(t, "b"), spawn(t, "c"), spawn(t, "d")}
	for _, n := range nodes {
		n.must(order{Op: "hello"})
	}
	boots := make([]<-chan answer, len(nodes))
	for n := range nodes {
		boots[n] = nodes[n].boot(dir, migrate("kill"))
	}
	var left []*node
	for n, ch := range boots {
		if got := nodes[n].await(ch); got.Err == "" {
			left = append(left, nodes[n])
		} else if !got.Gone {
			t.Errorf("%s: %s", nodes[n].name, got.Err)
		}
	}
	if len(left) != len(nodes)-1 {
		t.Fatalf("%d of %d are left, want all but one", len(left), len(nodes))
	}
	primaryOf(t, left...)
	migrated(t, left[0], 2)
}

// migrated checks that each step ran once, under the last epoch's schema version.
func migrated(t *testing.T, n *node, epoch uint64) {
	t.Helper()
	if got := fmt.Sprint(n.query("SELECT n FROM steps ORDER BY n")); got != "[[1] [2]]" {
		t.Errorf("%s: steps %s, want each once", n.name, got)
	}
	if st := n.must(order{Op: "status"}).Status; st.Schema != 2 || st.Epoch != epoch {
		t.Errorf("%s: schema version %d, epoch %d; want 2 and %d", n.name, st.Schema, st.Epoch, epoch)
	}
	n.exec("INSERT INTO first VALUES(?)", n.name)
}
