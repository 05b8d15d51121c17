package sdktest

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

var storeValueCases = []storeCase{
	{"stored and read exactly", "", storeValueExact},
	{"as arguments of a read", "", storeValueArgs},
	{"NaN is NULL", "", storeValueNaN},
	{"returned exactly", "", storeValueReturned},
}

// storeValues are what a database must give back as it got them.
func storeValues() []driver.Value {
	long := make([]byte, 200<<10)
	for i := range long {
		long[i] = byte(i)
	}
	return []driver.Value{
		nil, int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), int64(1) << 53, int64(1)<<53 + 1,
		0.5, -1e300, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), 1e15,
		"", "plain", "nul\x00inside", "\x00", "not \xff\xfe UTF-8", "日本語 🌱", "12", "1e3", strings.Repeat("z", 100_000),
		[]byte{}, []byte{0}, []byte("a\x00b"), []byte("text"), long,
	}
}

// storeSame compares type and content. NULL is a nil value; an empty blob is a
// slice without bytes, which a driver may give as a nil slice.
func storeSame(got, want driver.Value) bool {
	b, ok := want.([]byte)
	if !ok {
		if _, bytes := got.([]byte); bytes {
			return false
		}
		return got == want
	}
	g, ok := got.([]byte)
	return ok && string(g) == string(b)
}

func storeShow(v driver.Value) string {
	s := fmt.Sprintf("%T %#v", v, v)
	return s[:min(len(s), 80)]
}

func storeValueExact(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	values := storeValues()
	for i, v := range values {
		w.must(sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?, ?)", int64(i), v)}})
	}
	other := f.elsewhere()
	for _, db := range []sdk.DB{w.db, other.open(sdk.Secondary)} {
		rows := storeRows(f, db, "SELECT v FROM t ORDER BY id")
		if len(rows) != len(values) {
			f.t.Fatalf("%d rows, want %d", len(rows), len(values))
		}
		for i, v := range values {
			if !storeSame(rows[i][0], v) {
				f.t.Errorf("stored %s, read %s", storeShow(v), storeShow(rows[i][0]))
			}
		}
	}
	w.want("SELECT DISTINCT typeof(v) FROM t ORDER BY 1", "blob", "integer", "null", "real", "text")
}

func storeValueArgs(f *storeFixture) {
	w := f.primary()
	for _, v := range storeValues() {
		if got := w.rows("SELECT ?", v); !storeSame(got[0][0], v) {
			f.t.Errorf("gave %s, read %s", storeShow(v), storeShow(got[0][0]))
		}
	}
	w.exec("CREATE TABLE t(a BOOLEAN)")
	w.must(sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?), (?)", true, false)}})
	w.want("SELECT CAST(a AS INTEGER) FROM t", int64(1), int64(0))
}

func storeValueNaN(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	w.must(sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?)", math.NaN())}})
	w.want("SELECT a, typeof(a) FROM t", nil, "null")
}

func storeValueReturned(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(v)")
	for i, v := range storeValues() {
		r := sdk.Request{ID: storeID(uint64(i + 1)), Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?) RETURNING v", v)}}
		r.Statements[0].WantRows = true
		if res := w.must(r); len(res.Rows) != 1 || !storeSame(res.Rows[0][0], v) {
			f.t.Errorf("stored %s, returned %v", storeShow(v), len(res.Rows))
		}
		again := w.apply(r)[0]
		if again.Err == nil && len(again.Rows) == 1 && !storeSame(again.Rows[0][0], v) {
			f.t.Errorf("stored %s, replayed %s", storeShow(v), storeShow(again.Rows[0][0]))
		}
	}
}
