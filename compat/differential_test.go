package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestSameAsTheBareDriver runs random programs on the bare driver and on a
// secondary whose primary is another process, and compares every result, type and
// error. RAMET_SEED repeats one; RAMET_PROGRAMS says how many.
func TestSameAsTheBareDriver(t *testing.T) {
	sdktest.NoLeaks(t)
	seed := number(t, "RAMET_SEED", uint64(time.Now().UnixNano()))
	t.Logf("RAMET_SEED=%d", seed)
	routed, _ := secondary(t)
	plain := bare(t)
	for i := range number(t, "RAMET_PROGRAMS", 30) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := &program{rng: rand.New(rand.NewPCG(seed, i))}
			compare(t, p, plain, routed)
		})
	}
}

func number(t *testing.T, env string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(env)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(env, err)
	}
	return n
}

// side is one of the two, with a pinned connection.
type side struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts []*sql.Stmt
	tx    *sql.Tx
}

// programSchema is what programs work on. It begins by forgetting the last one's.
var programSchema = []string{
	"PRAGMA foreign_keys = off",
	"DROP TABLE IF EXISTS v", "DROP TABLE IF EXISTS child", "DROP TABLE IF EXISTS parent", "DROP TABLE IF EXISTS strict_t", "DROP TABLE IF EXISTS x", "DROP TABLE IF EXISTS w",
	"PRAGMA foreign_keys = on", "PRAGMA user_version = 0",
	"CREATE TABLE v (id INTEGER PRIMARY KEY, k TEXT UNIQUE, a, b BOOLEAN, at DATETIME, d DATE, ts TIMESTAMP, r REAL, n NUMERIC, t TEXT, bl BLOB, CHECK (a IS NOT 'bad'))",
	"CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
	"CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent (id) ON DELETE CASCADE, q INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
	"CREATE TABLE strict_t (i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT",
	"CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
	"CREATE TRIGGER v_update AFTER UPDATE OF k ON v BEGIN INSERT INTO w VALUES ('u' || new.id || random(), old.k); END",
}

var programStmts = []string{
	"SELECT id, a, at, b FROM v WHERE k = ?",
	"INSERT INTO v (k, a, r, t) VALUES (?, ?, ?2, ?2) RETURNING id, k, a",
	"UPDATE v SET a = @a WHERE k = @k",
	"SELECT ?1, ?1 || '!', typeof(?1), :n",
}

func compare(t *testing.T, p *program, plain, routed *sql.DB) {
	sides := [2]*side{{db: plain}, {db: routed}}
	for _, s := range sides {
		s.open(t)
		defer s.close(t)
	}
	p.held = func() bool { return sides[0].tx != nil }
	var done []string
	check := func(step step) outcome {
		t.Helper()
		done = append(done, fmt.Sprintf("%s%s %.300s", step.call, step.text, fmt.Sprint(step.args...)))
		want, got := step.run(t, sides[0]), step.run(t, sides[1])
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("after\n\t%.3000q\nbare:   %.2000s\nrouted: %.2000s", strings.Join(done[max(0, len(done)-12):], "\n\t"), want.unlike(got), got.unlike(want))
		}
		return want
	}
	for range 250 {
		if check(p.next()).Code == 787 { // bare SQLite keeps the rowid of a row whose foreign key failed it
			check(step{text: "INSERT INTO parent (name) VALUES ('settle')"})
		}
	}
	for _, s := range sides {
		s.end(t)
	}
	for _, table := range []string{"v", "parent", "child", "strict_t"} {
		s := step{text: "SELECT * FROM " + table + " ORDER BY 1", query: true}
		if want, got := s.run(t, sides[0]), s.run(t, sides[1]); !reflect.DeepEqual(want, got) {
			t.Errorf("at the end, %s\nbare:   %+v\nrouted: %+v", table, want, got)
		}
	}
}

func (s *side) open(t *testing.T) {
	t.Helper()
	ctx := within(t)
	var err error
	if s.conn, err = s.db.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	for _, text := range programSchema {
		if _, err := s.conn.ExecContext(ctx, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, text := range programStmts {
		stmt, err := s.conn.PrepareContext(ctx, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s.stmts = append(s.stmts, stmt)
	}
}

// end ends what the program left open.
func (s *side) end(t *testing.T) {
	if s.tx != nil {
		_ = s.tx.Rollback() // the comparison of what is left tells more
		s.tx = nil
	}
	_, _ = s.conn.ExecContext(within(t), "ROLLBACK") // fails if there is none
}

func (s *side) close(t *testing.T) {
	s.end(t)
	for _, stmt := range s.stmts {
		_ = stmt.Close()
	}
	if err := s.conn.Close(); err != nil {
		t.Error(err)
	}
}

// outcome is what a call gave.
type outcome struct {
	Columns, Types []string
	Rows           [][]string
	More           bool // another result set
	Numbers        [2]int64
	Code           int
	Error          string
}

// run makes the step on one side.
func (s step) run(t *testing.T, on *side) (o outcome) {
	ctx := within(t)
	if s.ended {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	if s.call != "" {
		return o.with(on.control(ctx, s.call))
	}
	if s.stmt >= 0 && s.prepared {
		stmt := on.stmts[s.stmt]
		if on.tx != nil {
			stmt = on.tx.StmtContext(ctx, stmt)
		}
		if s.query {
			return o.drain(stmt.QueryContext(ctx, s.args...))
		}
		return o.result(s.counts)(stmt.ExecContext(ctx, s.args...))
	}
	var target interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	} = on.conn
	if on.tx != nil {
		target = on.tx
	}
	if s.query {
		return o.drain(target.QueryContext(ctx, s.text, s.args...))
	}
	return o.result(s.counts)(target.ExecContext(ctx, s.text, s.args...))
}

func (s *side) control(ctx context.Context, call string) (err error) {
	switch {
	case call == "begin" && s.tx == nil:
		s.tx, err = s.conn.BeginTx(ctx, nil)
	case call == "commit" && s.tx != nil:
		err, s.tx = s.tx.Commit(), nil
	case call == "rollback" && s.tx != nil:
		err, s.tx = s.tx.Rollback(), nil
	}
	return err
}

func (o outcome) result(counts bool) func(sql.Result, error) outcome {
	return func(r sql.Result, err error) outcome {
		if err == nil && counts {
			o.Numbers[0], _ = r.RowsAffected()
			o.Numbers[1], _ = r.LastInsertId()
		}
		return o.with(err)
	}
}

func (o outcome) with(err error) outcome {
	if err == nil {
		return o
	}
	o.Error = strings.TrimPrefix(err.Error(), sdk.ErrInvalid.Error()+": ")
	var plain *sqlite.Error
	var routed *sdk.SQLError
	switch {
	case errors.As(err, &plain):
		o.Code = plain.Code()
	case errors.As(err, &routed):
		o.Code = routed.Code()
	case errors.Is(err, context.Canceled):
		o.Error = "cancelled"
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
		length, sized := c.Length()
		nullable, known := c.Nullable()
		precision, scale, decimal := c.DecimalSize()
		o.Types = append(o.Types, fmt.Sprint(c.Name(), " ", c.DatabaseTypeName(), c.ScanType(), length, sized, nullable, known, precision, scale, decimal))
	}
	for rows.Next() {
		row, to := make([]any, len(o.Columns)), make([]any, len(o.Columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return o.with(err)
		}
		shown := make([]string, len(row))
		for i, v := range row {
			shown[i] = show(v)
		}
		o.Rows = append(o.Rows, shown)
	}
	o.More = rows.NextResultSet()
	return o.with(rows.Err())
}

// unlike is what o has and other has not.
func (o outcome) unlike(other outcome) string {
	if len(o.Rows) == len(other.Rows) {
		o.Rows = slices.Clone(o.Rows)
		for i := range o.Rows {
			if slices.Equal(o.Rows[i], other.Rows[i]) {
				o.Rows[i] = nil
			}
		}
		o.Rows = slices.DeleteFunc(o.Rows, func(row []string) bool { return row == nil })
	}
	if slices.Equal(o.Types, other.Types) {
		o.Types = nil
	}
	return fmt.Sprintf("%+q", fmt.Sprintf("%+v", o))
}

// show tells type and value apart from all others.
func show(v any) string {
	switch x := v.(type) {
	case float64:
		return fmt.Sprintf("float64 %x %v", math.Float64bits(x), x)
	case time.Time:
		name, offset := x.Zone()
		return fmt.Sprint("time ", x.UnixNano(), x, name, offset, x.Location())
	case []byte:
		return fmt.Sprintf("[]byte %x %t", x, x == nil)
	}
	return fmt.Sprintf("%T %q", v, fmt.Sprint(v))
}
