package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// shop is what each library is asked to do, in its own way. Its tables are
// authors, books, tags and book_tags.
type shop interface {
	// migrate makes or updates the schema. It is called twice.
	migrate(ctx context.Context) error
	// trade uses everything else and returns what it saw.
	trade(ctx context.Context) ([]string, error)
	// visit counts a visit of the author "visitor" (upsert), adds the book
	// "visit-N" (RETURNING or the last insert id), "visit-N-kept" in a nested
	// transaction and "visit-N-undone" in one that is rolled back, all in one
	// transaction.
	visit(ctx context.Context, n int) error
}

// errUndo rolls a nested transaction back.
var errUndo = errors.New("undo")

// libraries are those under test.
var libraries = []struct {
	name string
	open func(*testing.T, *sql.DB) shop
}{
	{"sqlc", newSqlcShop},
	{"gorm", newGormShop},
	{"ent", newEntShop},
	{"bun", newBunShop},
	{"sqlx", newSqlxShop},
}

// TestSameOnEveryRole runs each library's program on the bare driver, on a primary
// and on a secondary, and compares what it saw and what is in the database.
func TestSameOnEveryRole(t *testing.T) {
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			noLeaks(t, l.name)
			want := run(t, l.open(t, bare(t)))
			t.Run("primary", func(t *testing.T) {
				same(t, run(t, l.open(t, boot(t, t.TempDir(), sdk.Primary).DB())), want)
			})
			t.Run("secondary", func(t *testing.T) {
				db, _ := secondary(t)
				same(t, run(t, l.open(t, db)), want)
			})
		})
	}
}

// noLeaks is [sdktest.NoLeaks], except for GORM, whose cache of prepared
// statements has a goroutine that nothing ends.
func noLeaks(t *testing.T, library string) {
	if library != "gorm" {
		sdktest.NoLeaks(t)
	}
}

func run(t *testing.T, s shop) []string {
	t.Helper()
	ctx := within(t)
	for range 2 {
		if err := s.migrate(ctx); err != nil {
			t.Fatal("migrate:", err)
		}
	}
	saw, err := s.trade(ctx)
	if err != nil {
		t.Fatalf("trade, after %q: %v", saw, err)
	}
	for n := range 3 {
		if err := s.visit(ctx, n); err != nil {
			t.Fatal("visit:", err)
		}
	}
	return append(saw, contents(t, s.(interface{ handle() *sql.DB }).handle())...)
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	only := func(a, b []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) }), "\n\t")
	}
	t.Errorf("lines that differ, of %d and %d; got only\n\t%s\nwant only\n\t%s", len(got), len(want), only(got, want), only(want, got))
}

// contents is the schema and the rows of a database, without the journals of the
// migrators, which hold times.
func contents(t *testing.T, db *sql.DB) []string {
	t.Helper()
	all := texts(t, db, "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
	for i, text := range all { // GORM takes constraints out of a map
		parts := strings.Split(strings.TrimSuffix(text, ")"), ",CONSTRAINT ")
		slices.Sort(parts[1:])
		all[i] = strings.Join(parts, ",CONSTRAINT ")
	}
	for _, table := range texts(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('goose_db_version', 'bun_migrations') ORDER BY name") {
		columns := texts(t, db, "SELECT name FROM pragma_table_info(?) ORDER BY cid", table)
		for i, c := range columns {
			columns[i] = fmt.Sprintf("quote(%q)", c)
		}
		all = append(all, texts(t, db, fmt.Sprintf("SELECT %s FROM %q ORDER BY 1", strings.Join(columns, "||','||"), table))...)
	}
	return all
}

func texts(t *testing.T, db *sql.DB, text string, args ...any) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(within(t), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
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
	return all
}

// TestPrimaryKilled runs each library on a secondary while its primary, another
// process, is killed. A transaction that was lost says so and is run again; none is
// applied twice or in part.
func TestPrimaryKilled(t *testing.T) {
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			noLeaks(t, l.name)
			seed := uint64(time.Now().UnixNano())
			t.Log("seed", seed)
			rng := rand.New(rand.NewPCG(seed, 1))
			db, primary := secondary(t)
			s := l.open(t, db)
			ctx := within(t)
			if err := s.migrate(ctx); err != nil {
				t.Fatal(err)
			}
			const visits = 60
			killed := make(chan struct{})
			defer func() { <-killed }()
			lost := 0
			for n := range visits {
				if n == 20 {
					delay := time.Duration(rng.IntN(20_000)) * time.Microsecond
					time.AfterFunc(delay, func() {
						defer close(killed)
						_ = primary.Process.Kill() // a dead one is what is wanted
					})
				}
				lost += visitOnce(t, s, db, n)
			}
			t.Logf("%d transactions were lost and run again", lost)
			checkVisits(t, db, visits)
		})
	}
}

// visitOnce makes visit n exactly once, and returns how often it was lost.
func visitOnce(t *testing.T, s shop, db *sql.DB, n int) (lost int) {
	t.Helper()
	for {
		err := s.visit(within(t), n)
		switch {
		case err == nil:
			return lost
		case errors.Is(err, sdk.ErrTxLost):
			lost++
		default:
			t.Fatalf("visit %d: %v", n, err)
		}
	}
}

func checkVisits(t *testing.T, db *sql.DB, visits int) {
	t.Helper()
	var want []string
	for n := range visits {
		want = append(want, fmt.Sprintf("visit-%03d", n), fmt.Sprintf("visit-%03d-kept", n))
	}
	same(t, texts(t, db, "SELECT title FROM books ORDER BY title"), want)
	same(t, texts(t, db, "SELECT visits FROM authors WHERE name = 'visitor'"), []string{fmt.Sprint(visits)})
}

// visitTitle is the title of the book of visit n.
func visitTitle(n int, suffix string) string { return fmt.Sprintf("visit-%03d%s", n, suffix) }
