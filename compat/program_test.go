package compat

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// step is one call.
type step struct {
	text     string
	args     []any
	query    bool
	counts   bool   // RowsAffected and LastInsertId have a meaning
	call     string // begin, commit, rollback
	prepared bool   // run statement number stmt
	stmt     int
	ended    bool // with a context that is over
}

// program makes steps that mean the same on both sides. It keeps away from the
// differences that docs/sql.md names: a script that fails in the middle outside of
// a transaction, OR ROLLBACK, and what is refused.
type program struct {
	rng  *rand.Rand
	text bool        // a transaction was begun as text
	call bool        // by BeginTx
	held func() bool // it is certain that a sql.Tx is open: BeginTx fails where a SAVEPOINT is
}

func pickOne[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// values are of every type that database/sql takes, with their limits.
var values = []any{
	nil, int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64), int8(-3), uint32(7), uint64(1 << 62), 3.25, float32(0.1),
	0.0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.SmallestNonzeroFloat64, math.MaxFloat64, 1e15, 1e16, true, false,
	"", "text", "grüß 日本", "nul\x00in it", "\xff\xfe invalid", "\xed\xa0\x80", "0", "1.5", "2024-02-29", "2024-02-29 12:00:00", "2024-02-29T12:00:00Z", "bad",
	[]byte(nil), []byte{}, []byte("bytes"), []byte{0, 1, 0xff, 0}, []byte("2024-02-29 12:00:00"),
	time.Date(2024, 2, 29, 23, 59, 58, 123456789, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	time.Date(2024, 6, 1, 12, 0, 0, 0, time.FixedZone("", 5*3600+1800)), time.Date(2024, 6, 1, 12, 0, 0, 5000, time.FixedZone("CEST", 7200)),
	sql.NullString{}, sql.NullInt64{Int64: 5, Valid: true}, sql.NullTime{}, sql.RawBytes("raw"),
}

func (p *program) value() any { return values[p.rng.IntN(len(values))] }

func (p *program) key() string { return fmt.Sprint("k", p.rng.IntN(10)) }

func (p *program) next() step {
	switch n := p.rng.IntN(30); {
	case n < 6:
		return p.write()
	case n < 12:
		return p.read()
	case n < 15:
		return p.fail()
	case n < 17:
		return p.stmt()
	case n < 19:
		return p.script()
	case n < 21:
		return p.schema()
	case n < 23:
		return step{text: pickOne(p.rng, "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", `SAVEPOINT "B b"`, `RELEASE SAVEPOINT "b B"`, "ROLLBACK TRANSACTION TO SAVEPOINT a", "savepoint [a]")}
	case n < 25:
		return p.begin()
	case n < 28:
		return p.end()
	default:
		return p.odd()
	}
}

func (p *program) write() step {
	s := step{counts: true}
	switch p.rng.IntN(12) {
	case 0, 1:
		s.text = "INSERT INTO v (k, a, b, at, d, ts, r, n, t, bl) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		for range 9 {
			s.args = append(s.args, p.value())
		}
		s.args = append([]any{p.key()}, s.args...)
	case 2:
		s = step{text: "INSERT INTO v (k, a) VALUES (:k, $a) ON CONFLICT (k) DO UPDATE SET a = excluded.a, r = @r RETURNING *, changes()", query: true,
			args: []any{sql.Named("a", p.value()), sql.Named("r", p.value()), sql.Named("k", p.key())}}
	case 3:
		s.text, s.args = pickOne(p.rng, "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE", "INSERT OR FAIL", "INSERT OR ABORT")+" INTO v (k, bl) VALUES (?2, ?1)", []any{p.value(), p.key()}
	case 4:
		s.text, s.args = "UPDATE v SET a = ?2, k = k || '' WHERE k > ?1", []any{p.key(), p.value()}
	case 5:
		s = step{text: "DELETE FROM v WHERE k < ? RETURNING k, at, n", args: []any{p.key()}, query: true}
	case 6:
		s.text, s.args = "INSERT INTO parent (id, name) VALUES (?, ?)", []any{1 + p.rng.IntN(6), p.key()}
	case 7:
		s.text, s.args = "INSERT INTO child (p, q) VALUES (?, ?)", []any{1 + p.rng.IntN(8), 1 + p.rng.IntN(8)}
	case 8:
		s.text, s.args = "DELETE FROM parent WHERE id = ?", []any{1 + p.rng.IntN(6)}
	case 9:
		s.text, s.args = "INSERT INTO strict_t VALUES (?1, ?2, ?3, ?4, ?5)", []any{p.value(), p.value(), p.value(), p.value(), p.value()}
	case 10:
		s.text = "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 40) INSERT INTO v (a) SELECT n FROM s"
	case 11:
		s.text = "DELETE FROM v WHERE k IS NULL"
	}
	return s
}

func (p *program) read() step {
	s := step{query: true}
	switch p.rng.IntN(9) {
	case 0, 1:
		s.text = "SELECT * FROM v ORDER BY id"
	case 2:
		s.text, s.args = "SELECT ?1, typeof(?1), quote(?1), ?2 AS x, length(?2), CAST(?1 AS BLOB), CAST(?2 AS TEXT)", []any{p.value(), p.value()}
	case 3:
		s.text, s.args = "SELECT :a, @b, $c, :a", []any{sql.Named("c", p.value()), sql.Named("a", p.value()), sql.Named("b", p.value())}
	case 4:
		s.text = "SELECT max(at), min(ts), count(*), total(r), group_concat(k), b FROM v"
	case 5:
		s.text = "SELECT p.*, c.id, c.p IS c.q FROM parent p LEFT JOIN child c ON c.p = p.id ORDER BY 1, 3"
	case 6:
		s.text = "SELECT last_insert_rowid(), changes(), last_insert_rowid() = changes() AS same"
	case 7:
		s.text = "SELECT at, at AS at2, (at), bl FROM v WHERE at IS NOT NULL ORDER BY id"
	case 8:
		s.text, s.args = "VALUES (?, 1), (2, ?)", []any{p.value(), p.value()}
	}
	return s
}

// fail makes an error, mostly.
func (p *program) fail() step {
	s := step{query: p.rng.IntN(2) == 0}
	s.text = pickOne(p.rng,
		"SELECT * FROM nowhere", "SELEC 1", "INSERT INTO v (nope) VALUES (1)", "SELECT abs(-9223372036854775808)", "SELECT 'open", "INSERT INTO parent (name) VALUES (NULL)",
		"INSERT INTO v (a) VALUES ('bad')", "INSERT INTO v (id) VALUES ('word')", "INSERT INTO strict_t (i) VALUES ('word')", "SELECT nofunction(1)", "SELECT 1 COLLATE nothing",
		"INSERT INTO child (p) VALUES (99)", "SELECT json('{')", "CREATE TABLE v (x)", "SELECT 1,, 2", "SELECT (SELECT 1, 2)", "SELECT * FROM v v1, v v2 WHERE id = 1", "SELECT id FROM",
		"DROP TABLE nowhere", "ALTER TABLE v ADD COLUMN k", "INSERT INTO w VALUES ('same', 1), ('same', 2)", "SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)", "\x00", ";", "SELECT 1 \x00 garbage",
		"INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5)", "UPDATE v SET id = 'x'", "CREATE INDEX i ON nowhere (x)",
	)
	if p.rng.IntN(4) == 0 {
		s.text = pickOne(p.rng, "SELECT ?, ?", "SELECT :a", "SELECT ?3", "INSERT INTO v (k, a) VALUES (@k, ?)")
		s.args = []any{p.key()}
	}
	return s
}

func (p *program) stmt() step {
	s := step{prepared: true, stmt: p.rng.IntN(len(programStmts)), query: true}
	switch s.stmt {
	case 0:
		s.args = []any{p.key()}
	case 1:
		s.args = []any{p.key(), p.value()}
	case 2:
		s.args = []any{sql.Named("k", p.key()), sql.Named("a", p.value())}
		s.query, s.counts = false, true
	case 3:
		s.args = []any{p.value(), sql.Named("n", p.value())}
	}
	if p.rng.IntN(8) == 0 {
		s.args = s.args[:len(s.args)-1]
	}
	return s
}

// script is several statements in one text. One of them may fail where a
// transaction is open.
func (p *program) script() step {
	k := fmt.Sprint("s", p.rng.IntN(1e9))
	s := step{query: p.rng.IntN(2) == 0, args: []any{k}}
	parts := []string{"INSERT INTO v (k) VALUES (?1)", "/* c */ UPDATE v SET a = 1 WHERE k = ?1 -- ;\n", "SELECT k, a, 'x;y' FROM v WHERE k = ?1", "SELECT count(*) FROM parent",
		"INSERT INTO w VALUES (?1, last_insert_rowid())", "DELETE FROM w WHERE k = ?1"}
	if p.held() {
		parts = append(parts, "INSERT INTO v (a) VALUES ('bad')")
	}
	var chosen []string
	for _, part := range parts {
		if p.rng.IntN(3) > 0 {
			chosen = append(chosen, part)
		}
	}
	if len(chosen) < 2 || !strings.Contains(strings.Join(chosen, ";"), "?1") {
		return step{text: "SELECT 1; SELECT 2, 3", query: true}
	}
	s.text = strings.Join(chosen, ";")
	return s
}

func (p *program) schema() step {
	text := pickOne(p.rng, "CREATE TABLE IF NOT EXISTS x (a, b DEFAULT 7)", "DROP TABLE IF EXISTS x", "SELECT * FROM x", "INSERT INTO x (a) VALUES (1)", "ALTER TABLE x ADD COLUMN c TEXT DEFAULT 'new'",
		"CREATE INDEX IF NOT EXISTS xa ON x (a)", "DROP INDEX IF EXISTS xa", "PRAGMA table_info(x)", "PRAGMA index_list(v)", "PRAGMA foreign_key_list(child)", "PRAGMA user_version", "PRAGMA user_version = 5",
		"SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2", "PRAGMA foreign_keys", "PRAGMA foreign_keys = on", "PRAGMA foreign_keys = off", "PRAGMA foreign_key_check", "PRAGMA table_xinfo(w)",
		"SELECT name FROM pragma_table_info('v')", "EXPLAIN QUERY PLAN SELECT * FROM v WHERE k = 'a'", "PRAGMA defer_foreign_keys", "ANALYZE x", "PRAGMA integrity_check", "SELECT count(*) FROM sqlite_schema s JOIN sqlite_schema USING (name)",
		"ALTER TABLE x RENAME COLUMN b TO bb", "PRAGMA encoding", "PRAGMA recursive_triggers", "PRAGMA page_size", "PRAGMA journal_mode")
	return step{text: text, query: strings.HasPrefix(text, "SELECT") || strings.HasPrefix(text, "PRAGMA") || p.rng.IntN(2) == 0}
}

func (p *program) begin() step {
	if p.rng.IntN(2) == 0 {
		if p.text {
			return step{text: "SELECT 1", query: true} // BeginTx would fail on both, in different words
		}
		p.call = true
		return step{call: "begin"}
	}
	p.text = true
	return step{text: pickOne(p.rng, "BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE TRANSACTION", "begin deferred", "BEGIN TRANSACTION", "SAVEPOINT outer_one")}
}

// end ends what was begun, in the same way.
func (p *program) end() step {
	kind := p.rng.IntN(2)
	if p.call {
		p.call, p.text = false, false
		return step{call: pickOne(p.rng, "commit", "rollback")}
	}
	p.text = kind == 0 && p.text // COMMIT may fail for a deferred key and leave it open
	return step{text: []string{pickOne(p.rng, "COMMIT", "END TRANSACTION", "end"), pickOne(p.rng, "ROLLBACK", "ROLLBACK TRANSACTION")}[kind]}
}

// odd is what hardly anybody does.
func (p *program) odd() step {
	return pickOne(p.rng,
		step{text: "", query: true}, step{text: " -- nothing"}, step{text: ";;", query: true}, step{text: "SELECT 1 WHERE 0", query: true},
		step{text: "SELECT 1", ended: true}, step{text: "INSERT INTO parent (name) VALUES ('late')", ended: true}, step{text: "SELECT 1", query: true, ended: true},
		step{text: "SELECT 1; ; SELECT 2;", query: true}, step{text: "\ufeffSELECT 3", query: true}, step{text: "SELECT 1 AS a, 2 AS a, 3 AS \"\"", query: true},
		step{text: "SELECT zeroblob(100000), printf('%.*c', 100000, 'x')", query: true}, step{text: "SELECT * FROM json_each('[1,null,\"a\",2.5]')", query: true},
		step{text: "SELECT ?1", query: true, args: []any{strings.Repeat("long ", 50_000)}}, step{text: "SELECT ?1", query: true, args: []any{make([]byte, 300_000)}},
	)
}
