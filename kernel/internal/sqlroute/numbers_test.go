package sqlroute

import (
	"fmt"
	"reflect"
	"testing"
)

// TestSessionNumbersAnywhereInSQL compares with a bare connection, while another
// session writes in between.
func TestSessionNumbersAnywhereInSQL(t *testing.T) {
	_, engine := newEngine(t)
	store, _ := newOnStore(t)
	onStore := Open(store)
	defer onStore.Close()
	bare := openBare(t)
	var want []outcome
	for _, db := range []struct {
		name string
		side *side
	}{{"bare", bare}, {"engine", &side{db: engine}}, {"store", &side{db: onStore}}} {
		other := pin(t, db.side.db)
		db.side.conn = pin(t, db.side.db)
		must(t, db.side.db, "CREATE TABLE p (id INTEGER PRIMARY KEY, v); CREATE TABLE c (p, v); CREATE TABLE o (id INTEGER PRIMARY KEY);"+
			"CREATE TRIGGER tr AFTER INSERT ON c WHEN new.v IS 'tr' BEGIN UPDATE c SET v = 'by ' || last_insert_rowid() WHERE rowid = new.rowid; END")
		var got []outcome
		for i, text := range []string{
			"INSERT INTO p (id, v) VALUES (40, 'a'), (41, 'b')",
			"INSERT INTO c VALUES (last_insert_rowid(), changes())",
			"SELECT last_insert_rowid() + 1, changes() FROM p WHERE id > last_insert_rowid() ORDER BY changes()",
			"SELECT p, LAST_INSERT_ROWID ( ), 'changes()' FROM c WHERE p >= (SELECT last_insert_rowid())",
			"INSERT INTO p (v) VALUES ('c') RETURNING id, last_insert_rowid() > 40",
			"INSERT INTO p (v) VALUES ('d'); INSERT INTO c SELECT last_insert_rowid(), changes(); SELECT p, v, last_insert_rowid() FROM c ORDER BY rowid",
			"INSERT INTO c VALUES (1, 'tr')",
			"UPDATE p SET v = changes()",
			"SELECT changes() AS n, * FROM c ORDER BY rowid",
			"DELETE FROM p WHERE id = last_insert_rowid()",
			"SELECT (SELECT count(*) FROM p), changes()",
			"BEGIN; INSERT INTO p (v) VALUES (last_insert_rowid()); COMMIT; SELECT * FROM p ORDER BY id",
			"EXPLAIN QUERY PLAN SELECT last_insert_rowid()",
		} {
			must(t, other, "INSERT INTO o VALUES (?)", 1000*(i+1))
			got = append(got, step{text: text, query: true}.run(t, db.side))
		}
		if want == nil {
			want = got
			continue
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%s, statement %d\n got %s\nwant %s", db.name, i+1, fmt.Sprint(got[i]), fmt.Sprint(want[i]))
			}
		}
	}
}
