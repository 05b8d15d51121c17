package sqlroute

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"modernc.org/sqlite"
)

// TestSameAsTheBareDriver runs random programs on a bare driver and on the routed
// handle, over two databases, and compares every result and error. SQLROUTE_SEED
// repeats one.
func TestSameAsTheBareDriver(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SQLROUTE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SQLROUTE_SEED=%d", seed)
	for i := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, i))
		t.Run(fmt.Sprint("engine", i), func(t *testing.T) {
			_, db := newEngine(t)
			compare(t, rng, db, false, 150)
		})
		t.Run(fmt.Sprint("store", i), func(t *testing.T) {
			b, _ := newOnStore(t)
			db := Open(b)
			defer db.Close()
			compare(t, rng, db, true, 150)
		})
	}
}

// side is one of the two, with a pinned connection and a prepared statement.
type side struct {
	db   *sql.DB
	conn *sql.Conn
	stmt *sql.Stmt
	tx   *sql.Tx
}

func (s *side) target() interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
} {
	if s.tx != nil {
		return s.tx
	}
	return s.conn
}

// openBare opens the plain driver over a new database.
func openBare(t *testing.T) *side {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &side{db: db}
}

func compare(t *testing.T, rng *rand.Rand, routed *sql.DB, plain bool, steps int) {
	sides := [2]*side{openBare(t), {db: routed}}
	for _, s := range sides {
		for _, text := range []string{
			"CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v, at DATETIME, CHECK (v IS NOT 'bad'))",
			"CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)",
			"CREATE TRIGGER tr AFTER UPDATE ON t BEGIN INSERT INTO log (what) VALUES (new.k || ';'); END;",
		} {
			must(t, s.db, text)
		}
		s.conn = pin(t, s.db)
		defer func() {
			if s.tx != nil {
				s.tx.Rollback() // Conn.Close would wait for it
			}
			s.conn.Close()
		}()
		var err error
		if s.stmt, err = s.conn.PrepareContext(t.Context(), "SELECT id, v FROM t WHERE k = ?"); err != nil {
			t.Fatal(err)
		}
		defer s.stmt.Close()
	}
	g := &generator{rng: rng, plain: plain}
	for range steps {
		step := g.next()
		want, got := step.run(t, sides[0]), step.run(t, sides[1])
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%s %v\nbare:   %+v\nrouted: %+v", step.text, step.args, want, got)
		}
	}
	for _, s := range sides {
		if s.tx != nil {
			s.tx.Rollback()
		}
		s.conn.ExecContext(t.Context(), "ROLLBACK")
	}
	for _, text := range []string{"SELECT * FROM t ORDER BY id", "SELECT * FROM log ORDER BY id"} {
		step := step{text: text, query: true}
		if want, got := step.run(t, sides[0]), step.run(t, sides[1]); !reflect.DeepEqual(want, got) {
			t.Fatalf("at the end: %s\nbare:   %+v\nrouted: %+v", text, want, got)
		}
	}
}

// step is one call.
type step struct {
	text   string
	args   []any
	query  bool
	counts bool // RowsAffected and LastInsertId have a meaning
	call   string
}

// outcome is what a call gave.
type outcome struct {
	Columns []string
	Types   []string
	Rows    [][]any
	Numbers [2]int64
	Code    int
	Error   string
}

func (s step) run(t *testing.T, on *side) (o outcome) {
	var err error
	switch {
	case s.call == "begin" && on.tx == nil:
		on.tx, err = on.conn.BeginTx(t.Context(), nil)
		return o.with(err)
	case s.call == "begin":
		return o
	case s.call != "" && on.tx == nil:
		return o
	case s.call == "commit":
		err, on.tx = on.tx.Commit(), nil
		return o.with(err)
	case s.call == "rollback":
		err, on.tx = on.tx.Rollback(), nil
		return o.with(err)
	case s.text == "":
		stmt := on.stmt
		if on.tx != nil {
			stmt = on.tx.Stmt(stmt)
		}
		rows, err := stmt.QueryContext(t.Context(), s.args...)
		return o.drain(rows, err)
	case s.query:
		rows, err := on.target().QueryContext(t.Context(), s.text, s.args...)
		return o.drain(rows, err)
	}
	r, err := on.target().ExecContext(t.Context(), s.text, s.args...)
	if err == nil && s.counts {
		o.Numbers[0], _ = r.RowsAffected()
		o.Numbers[1], _ = r.LastInsertId()
	}
	return o.with(err)
}

func (o outcome) with(err error) outcome {
	if err == nil {
		return o
	}
	o.Error = strings.TrimPrefix(err.Error(), sdk.ErrInvalid.Error()+": ")
	var bare *sqlite.Error
	var routed *sdk.SQLError
	switch {
	case errors.As(err, &bare):
		o.Code = bare.Code()
	case errors.As(err, &routed):
		o.Code = routed.Code()
	}
	return o
}

func (o outcome) drain(rows *sql.Rows, err error) outcome {
	if err != nil {
		return o.with(err)
	}
	defer rows.Close()
	o.Columns, _ = rows.Columns()
	types, err := rows.ColumnTypes()
	if err != nil {
		return o.with(err)
	}
	for _, c := range types {
		length, known := c.Length()
		o.Types = append(o.Types, fmt.Sprint(c.DatabaseTypeName(), c.ScanType(), length, known))
	}
	for rows.Next() {
		row := make([]any, len(o.Columns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return o.with(err)
		}
		o.Rows = append(o.Rows, row)
	}
	return o.with(rows.Err())
}

// generator makes programs that mean the same on both sides: it knows of the
// differences that doc.go names and keeps away from them.
type generator struct {
	rng   *rand.Rand
	text  bool // a transaction was begun as text
	call  bool // by BeginTx
	plain bool // no scripts: the store tells the rowid of the last statement only
}

func (g *generator) value() any {
	return []any{nil, int64(g.rng.IntN(9)), g.rng.Float64(), "x" + fmt.Sprint(g.rng.IntN(9)), []byte{0, byte(g.rng.IntN(9))},
		[]byte(nil), true, time.Unix(int64(g.rng.IntN(1e9)), 0).UTC(), sql.NullInt64{}, "bad", "new\x00line"[:3], int8(3)}[g.rng.IntN(12)]
}

func (g *generator) key() string { return fmt.Sprint("k", g.rng.IntN(12)) }

func (g *generator) next() step {
	switch n := g.rng.IntN(24); n {
	case 0, 1, 2:
		return step{text: "INSERT INTO t (k, v, at) VALUES (?, ?, ?)", args: []any{g.key(), g.value(), time.Unix(1e9, 0).UTC()}, counts: true}
	case 3:
		return step{text: "INSERT INTO t (k, v) VALUES (:k, :v) RETURNING *", args: []any{sql.Named("v", g.value()), sql.Named("k", g.key())}, query: true}
	case 4:
		return step{text: "REPLACE INTO t (k, v) VALUES ($1, $2)", args: []any{g.key(), g.value()}, counts: true}
	case 5:
		return step{text: "UPDATE t SET v = ?2 WHERE k > ?1", args: []any{g.key(), g.value()}, counts: true}
	case 6:
		return step{text: "UPDATE t SET v = v WHERE k < ? RETURNING id, k", args: []any{g.key()}, query: true}
	case 7:
		return step{text: "DELETE FROM t WHERE k = ?", args: []any{g.key()}, counts: true}
	case 8:
		return step{text: "WITH x AS (SELECT id FROM t ORDER BY id LIMIT 1) DELETE FROM t WHERE id IN x", counts: true}
	case 9, 10:
		return step{text: "SELECT * FROM t WHERE k >= ? ORDER BY id", args: []any{g.key()}, query: true}
	case 11:
		return step{text: "SELECT count(*), max(at), typeof(v), v FROM t", query: true}
	case 12:
		return step{args: []any{g.key()}}
	case 13:
		return step{text: "SELECT last_insert_rowid(), changes()", query: true}
	case 14:
		return step{text: []string{"SELECT * FROM nowhere", "SELEC 1", "INSERT INTO t (nope) VALUES (1)", "INSERT INTO t (v) VALUES (?)", "SELECT abs(-9223372036854775808)", "SELECT 'open"}[g.rng.IntN(6)], query: true}
	case 15:
		return step{text: "-- nothing", query: true}
	case 16:
		return step{text: "INSERT OR IGNORE INTO t (k, v) VALUES (?, 1)", args: []any{g.key()}, counts: true}
	case 17:
		if g.plain {
			return step{text: "SELECT 1", query: true}
		}
		return step{text: "INSERT INTO t (k) VALUES (?1 || 'a'); DELETE FROM t WHERE k = ?1 || 'a'; SELECT ?1", args: []any{g.key()}, query: true}
	case 18:
		return g.begin(step{call: "begin"})
	case 19:
		return g.begin(step{text: []string{"BEGIN IMMEDIATE", "SAVEPOINT a"}[g.rng.IntN(2)]})
	case 20, 21:
		return g.end()
	default:
		return step{text: []string{"SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", "SAVEPOINT b", "RELEASE b", "PRAGMA table_info(t)"}[g.rng.IntN(6)]}
	}
}

// begin starts a transaction, or tries to inside one.
func (g *generator) begin(s step) step {
	if s.call != "" && g.text {
		return step{text: "SELECT 1", query: true}
	}
	g.call = g.call || s.call != ""
	g.text = g.text || s.call == ""
	return s
}

// end ends what was begun, in the same way.
func (g *generator) end() step {
	kind := g.rng.IntN(2)
	if g.call {
		g.call, g.text = false, false
		return step{call: []string{"commit", "rollback"}[kind]}
	}
	g.text = false
	return step{text: []string{"COMMIT", "ROLLBACK"}[kind]}
}
