package sqlroute

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func TestReadsStayLocalAndWritesGo(t *testing.T) {
	e, db := newEngine(t)
	must(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
	r := must(t, db, "INSERT INTO t (v) VALUES (?), (?)", "a", "b")
	if id, _ := r.LastInsertId(); id != 2 {
		t.Errorf("last insert id %d", id)
	}
	if n, _ := r.RowsAffected(); n != 2 {
		t.Errorf("%d rows affected", n)
	}
	var id int64
	var v string
	if err := db.QueryRow("INSERT INTO t (v) VALUES (?) RETURNING id, v", "c").Scan(&id, &v); err != nil || id != 3 || v != "c" {
		t.Errorf("RETURNING gave %d %q %v", id, v, err)
	}
	if err := db.QueryRow("SELECT v FROM t WHERE id = :id", sql.Named("id", 2)).Scan(&v); err != nil || v != "b" {
		t.Errorf("read gave %q %v", v, err)
	}
	if n, _ := must(t, db, "SELECT * FROM t").RowsAffected(); n != 0 {
		t.Errorf("Exec of a read: %d rows affected", n)
	}
	must(t, db, " -- nothing at all\n;")
	if got := [2]int64{e.reads.Load(), e.writes.Load()}; got != [2]int64{2, 3} {
		t.Errorf("reads and writes: %v", got)
	}
}

func TestScriptIsAtomic(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT NOT NULL)")
	if _, err := db.Exec("INSERT INTO t VALUES ('a'); INSERT INTO t VALUES (NULL)"); err == nil {
		t.Error("no error")
	}
	if n := count(t, db, "t"); n != 0 {
		t.Errorf("%d rows of a failed text", n)
	}
	var id int64
	if err := db.QueryRow("INSERT INTO t VALUES ('a'); SELECT last_insert_rowid()").Scan(&id); err != nil || id != 1 {
		t.Errorf("got %d %v", id, err)
	}
}

func TestScanIntoEveryType(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (i INTEGER, f REAL, s TEXT, b BLOB, y BOOLEAN, at DATETIME, n TEXT)")
	now := time.Now().UTC().Truncate(time.Microsecond)
	must(t, db, "INSERT INTO t VALUES (?,?,?,?,?,?,?)", int32(7), float32(0.5), sql.NullString{String: "x", Valid: true}, []byte{0, 1}, true, now, nil)
	var (
		i  int64
		f  float64
		s  string
		b  []byte
		y  bool
		at time.Time
		n  sql.NullString
	)
	if err := db.QueryRow("SELECT * FROM t").Scan(&i, &f, &s, &b, &y, &at, &n); err != nil {
		t.Fatal(err)
	}
	if i != 7 || f != 0.5 || s != "x" || !reflect.DeepEqual(b, []byte{0, 1}) || !y || !at.Equal(now) || n.Valid {
		t.Error(i, f, s, b, y, at, n)
	}
	var raw any
	if err := db.QueryRow("SELECT b FROM t").Scan(&raw); err != nil || !reflect.DeepEqual(raw, []byte{0, 1}) {
		t.Error(raw, err)
	}
	if err := db.QueryRow("SELECT 1 WHERE 0").Scan(&raw); err != sql.ErrNoRows {
		t.Error(err)
	}
	if _, err := db.Exec("INSERT INTO t (i) VALUES (?)", struct{}{}); err == nil {
		t.Error("a struct was taken as an argument")
	}
}

func TestPreparedStatements(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
	insert, err := db.Prepare("INSERT INTO t (v) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	get, err := db.Prepare("SELECT v FROM t WHERE id = ?")
	if err != nil {
		t.Fatal(err)
	}
	defer get.Close()
	for _, v := range []string{"a", "b", "c"} {
		r, err := insert.Exec(v)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := r.LastInsertId()
		var got string
		if err := get.QueryRow(id).Scan(&got); err != nil || got != v {
			t.Errorf("%d: %q %v", id, got, err)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Stmt(insert).Exec("d"); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if n := count(t, db, "t"); n != 3 {
		t.Errorf("%d rows", n)
	}
	if _, err := db.Prepare("SELECT nothing FROM nowhere"); !isSQL(err, 1) {
		t.Error(err)
	}
}

func isSQL(err error, code int) bool {
	var e *sdk.SQLError
	return errors.As(err, &e) && e.Code() == code
}

func TestErrorsKeepTheirType(t *testing.T) {
	e, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT UNIQUE)")
	must(t, db, "INSERT INTO t VALUES ('a')")
	if _, err := db.Exec("INSERT INTO t VALUES ('a')"); !isSQL(err, 2067) {
		t.Errorf("got %v", err)
	}
	_, err := db.Exec("ATTACH 'x' AS y")
	refused(t, err, sdk.ErrUnsupported)
	_, err = db.Prepare("PRAGMA journal_mode = DELETE")
	refused(t, err, sdk.ErrUnsupported)
	for _, kind := range []error{sdk.ErrUnavailable, sdk.ErrOutcomeUnknown, sdk.ErrResultGone} {
		e.setFailure(kind)
		_, err := db.Exec("INSERT INTO t VALUES ('b')")
		refused(t, err, kind)
	}
	if n := count(t, db, "t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestBadConnOfTheBackendIsNotRetried(t *testing.T) {
	e, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	before := e.writes.Load()
	for _, bad := range []error{driver.ErrBadConn, driver.ErrSkip} {
		e.setFailure(bad)
		_, err := db.Exec("INSERT INTO t VALUES ('a')")
		refused(t, err, sdk.ErrInternal)
	}
	if n := e.writes.Load() - before; n != 2 {
		t.Errorf("sent %d times for 2 calls", n)
	}
}

func TestContextThatEndedSendsNothing(t *testing.T) {
	e, db := newEngine(t)
	must(t, db, "CREATE TABLE t (v TEXT)")
	c := pin(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := e.writes.Load()
	if _, err := c.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != context.Canceled {
		t.Error(err)
	}
	if e.writes.Load() != before {
		t.Error("it was sent")
	}
}

func TestRowsLeftOpenDoNotHoldBackWrites(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	must(t, db, "INSERT INTO t VALUES (1), (2), (3), (4), (5)")
	rows, err := db.Query("SELECT id FROM t ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var sum int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		must(t, db, "INSERT INTO t VALUES (?)", 100+id)
		if n := count(t, db, "t"); n != 5+id {
			t.Errorf("own write not seen: %d rows", n)
		}
		sum += id
	}
	if err := rows.Err(); err != nil || sum != 15 {
		t.Errorf("sum %d, %v", sum, err)
	}
}

func TestSessionNumbersAsSQL(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
	a, b := pin(t, db), pin(t, db)
	must(t, a, "INSERT INTO t VALUES (10, 'x'), (11, 'y')")
	must(t, b, "INSERT INTO t VALUES (20, 'z')")
	must(t, b, "CREATE TABLE u (x)")
	var id, n int64
	for _, text := range []string{
		"select Last_Insert_Rowid ( ), /* and */ changes();",
		"SELECT last_insert_rowid() AS id, changes() n",
	} {
		if err := a.QueryRowContext(t.Context(), text).Scan(&id, &n); err != nil || id != 11 || n != 2 {
			t.Errorf("a: %s: %d %d %v", text, id, n, err)
		}
	}
	r := must(t, b, "UPDATE t SET v = '' WHERE id > 10")
	if id, _ = r.LastInsertId(); id != 20 {
		t.Errorf("b: %d after an update", id)
	}
	if err := b.QueryRowContext(t.Context(), "SELECT changes()").Scan(&n); err != nil || n != 2 {
		t.Errorf("b: %d %v", n, err)
	}
	_, err := a.ExecContext(t.Context(), "SELECT total_changes()")
	refused(t, err, sdk.ErrUnsupported)
	tx, err := a.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx, "INSERT INTO t VALUES (30, '')")
	must(t, tx, "INSERT INTO t VALUES (last_insert_rowid() + 1, '')")
	if err := tx.QueryRow("SELECT last_insert_rowid()").Scan(&id); err != nil || id != 31 {
		t.Errorf("in a transaction: %d %v", id, err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}

func TestColumnTypes(t *testing.T) {
	_, db := newEngine(t)
	must(t, db, "CREATE TABLE t (i int, b boolean, s varchar(10), x blob)")
	must(t, db, "INSERT INTO t VALUES (1, 1, 'a', x'00')")
	rows, err := db.Query("SELECT i, b, s, x, 1+1 FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name string
		scan reflect.Type
	}{
		{"INT", reflect.TypeFor[int64]()}, {"BOOLEAN", reflect.TypeFor[bool]()},
		{"VARCHAR(10)", reflect.TypeFor[string]()}, {"BLOB", reflect.TypeFor[[]byte]()}, {"", reflect.TypeFor[int64]()},
	}
	for i, w := range want {
		if types[i].DatabaseTypeName() != w.name || types[i].ScanType() != w.scan {
			t.Errorf("column %d: %s %v", i, types[i].DatabaseTypeName(), types[i].ScanType())
		}
	}
}

func TestCacheOfTextsIsBounded(t *testing.T) {
	e, _ := newEngine(t)
	c := &conn{b: e, plans: map[string]*plan{}}
	for i := range 10 * maxPlans {
		if _, err := c.plan(t.Context(), "SELECT "+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.plans) > maxPlans {
		t.Errorf("%d texts kept", len(c.plans))
	}
}
