package sqlroute

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
)

const (
	pointText = "SELECT v FROM t WHERE id = ?"
	scanText  = "SELECT id, v, n, r FROM t ORDER BY id"
	tableRows = 1000
)

// readSides opens one table of tableRows rows with the bare driver, and through
// the routed handle on the primary's store and on a secondary's.
func readSides(t testing.TB) (bare, primary, secondary *sql.DB) {
	t.Helper()
	backend, path := newOnStore(t)
	primary = Open(backend)
	t.Cleanup(func() { primary.Close() })
	must(t, primary, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER, r REAL)")
	must(t, primary, "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 1000) INSERT INTO t SELECT i, 'value of ' || i, i * i, i / 7.0 FROM s")
	bare, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bare.Close() })
	return bare, primary, onSecondary(t, path)
}

// onSecondary opens path once more, as a secondary does.
func onSecondary(t testing.TB, path string) *sql.DB {
	t.Helper()
	running, err := sqlite.New().Open(context.Background(), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	reader, err := running.Store().Open(context.Background(), sdk.OpenOptions{Path: path, Role: sdk.Secondary})
	if err != nil {
		t.Fatal(err)
	}
	db := Open(&onStore{db: reader})
	t.Cleanup(func() { db.Close() })
	return db
}

// readShape is one way to read.
type readShape struct {
	name     string
	text     string
	prepared bool
	ctx      func(testing.TB) context.Context
	batch    int // reads between two looks at the clock
}

func background(testing.TB) context.Context { return context.Background() }

func cancellable(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx
}

var readShapes = []readShape{
	{"point", pointText, false, background, 50},
	{"point-ctx", pointText, false, cancellable, 50},
	{"point-prepared", pointText, true, background, 50},
	{"point-prepared-ctx", pointText, true, cancellable, 50},
	{"scan", scanText, false, background, 1},
	{"scan-ctx", scanText, false, cancellable, 1},
	{"scan-prepared", scanText, true, background, 1},
}

// on returns one read of db in this shape.
func (s readShape) on(t testing.TB, db *sql.DB) func() {
	ctx := s.ctx(t)
	query := func(args ...any) (*sql.Rows, error) { return db.QueryContext(ctx, s.text, args...) }
	row := func(args ...any) *sql.Row { return db.QueryRowContext(ctx, s.text, args...) }
	if s.prepared {
		stmt, err := db.PrepareContext(ctx, s.text)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stmt.Close() })
		query = func(args ...any) (*sql.Rows, error) { return stmt.QueryContext(ctx, args...) }
		row = func(args ...any) *sql.Row { return stmt.QueryRowContext(ctx, args...) }
	}
	if s.text == scanText {
		return func() { scanAll(t, query) }
	}
	i := 0
	return func() {
		var v string
		i++
		if err := row(1 + i%tableRows).Scan(&v); err != nil {
			t.Fatal(err)
		}
	}
}

func scanAll(t testing.TB, query func(...any) (*sql.Rows, error)) {
	rows, err := query()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for ; rows.Next(); count++ {
		var id, n int64
		var v string
		var r float64
		if err := rows.Scan(&id, &v, &n, &r); err != nil {
			t.Fatal(err)
		}
	}
	if rows.Err() != nil || count != tableRows {
		t.Fatal(count, rows.Err())
	}
}

// BenchmarkRead compares reads through the routed handle with the bare driver's.
// The sides take turns within each iteration, so that both meet the same machine.
// x-bare is the bare median over the routed one: 1 is the same speed, more is
// faster than bare.
func BenchmarkRead(b *testing.B) {
	bare, primary, secondary := readSides(b)
	for _, s := range readShapes {
		for _, role := range []struct {
			name string
			db   *sql.DB
		}{{"primary", primary}, {"secondary", secondary}} {
			b.Run(s.name+"/"+role.name, func(b *testing.B) { takeTurns(b, s, bare, role.db) })
		}
	}
}

func takeTurns(b *testing.B, s readShape, bare, routed *sql.DB) {
	reads := [2]func(){s.on(b, bare), s.on(b, routed)}
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for turn := range reads {
			side := (turn + i) % len(reads) // each goes first as often
			begin := time.Now()
			for range s.batch {
				reads[side]()
			}
			took[side] = append(took[side], time.Since(begin)/time.Duration(s.batch))
		}
	}
	median := func(side int) float64 {
		slices.Sort(took[side])
		return float64(took[side][len(took[side])/2])
	}
	b.ReportMetric(0, "ns/op") // of a whole iteration: says nothing
	b.ReportMetric(median(0), "bare-ns")
	b.ReportMetric(median(1), "routed-ns")
	b.ReportMetric(median(0)/median(1), "x-bare")
	b.ReportMetric(testing.AllocsPerRun(20, reads[0]), "bare-allocs")
	b.ReportMetric(testing.AllocsPerRun(20, reads[1]), "routed-allocs")
}
