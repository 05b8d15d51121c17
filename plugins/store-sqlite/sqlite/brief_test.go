package sqlite

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

const briefSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT NOT NULL, v); CREATE UNIQUE INDEX tk ON t(k); CREATE INDEX tv ON t(v); CREATE TABLE w(a, b, c, PRIMARY KEY(a, b)) WITHOUT ROWID"

func TestBriefIsWhatCannotLoop(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, briefSchema)
	c, err := d.readers.get(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.readers.put(c, false)
	for _, test := range []struct {
		text string
		args int
		want bool
	}{
		{"SELECT v FROM t WHERE id = ?", 1, true},
		{"SELECT upper(v), id + 1 FROM t WHERE k = ? AND v > 3", 1, true},
		{"SELECT c FROM w WHERE a = ? AND b = ?", 2, true},
		{"SELECT a.v, b.v FROM t a JOIN t b ON b.id = a.v WHERE a.id = ?", 1, true},
		{"SELECT 1", 0, true},
		{"SELECT v FROM t", 0, false},
		{"SELECT v FROM t LIMIT 1", 0, false},
		{"SELECT id FROM t WHERE v = ?", 1, false},
		{"SELECT c FROM w WHERE a = ?", 1, false},
		{"SELECT v FROM t WHERE id IN (?, ?)", 2, false},
		{"SELECT v FROM t WHERE id > ? LIMIT 1", 1, false},
		{"SELECT count(*) FROM t", 0, false}, // it walks the whole table in one instruction
		{"SELECT max(v) FROM t", 0, false},
		{"SELECT v FROM t WHERE id = ? UNION ALL SELECT v FROM t WHERE id = ?", 2, false}, // two rows
		{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n LIMIT 3", 0, false},
		{"PRAGMA table_info(t)", 0, false},
	} {
		args := make([]driver.Value, test.args)
		for i := range args {
			args[i] = int64(i)
		}
		if got := c.isBrief(test.text, named(args)); got != test.want {
			t.Errorf("%s: brief is %t", test.text, got)
		}
	}
}

// TestBriefNoLongerAfterSchemaChange meets statements that are known to give one row
// with a schema in which they give two.
func TestBriefNoLongerAfterSchemaChange(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, briefSchema, "INSERT INTO t(k, v) VALUES ('a', 1)")
	s := open(t, d.path, sdk.Secondary)
	const text = "SELECT v FROM t WHERE k = ?"
	count := func(want int) {
		t.Helper()
		for range 4 { // the second time it is looked at, from the third on it is known
			for role, db := range map[string]*db{"primary": d, "secondary": s} {
				if got := query(t, db, text, "a"); len(got) != want {
					t.Fatalf("%s: %d rows, want %d", role, len(got), want)
				}
			}
		}
	}
	count(1)
	must(t, d, epoch, "DROP INDEX tk", "INSERT INTO t(k, v) VALUES ('a', 2)")
	count(2)
	must(t, d, epoch, "DELETE FROM t WHERE v = 2", "CREATE UNIQUE INDEX tk ON t(k)")
	count(1)
	must(t, d, epoch, "DELETE FROM t")
	count(0)
}

func TestBriefReadOfAnEndedContext(t *testing.T) {
	d, _ := primary(t)
	ctx, cancel := context.WithCancel(context.Background())
	for range 4 {
		r, err := d.Query(ctx, sdk.Query{Statement: stmt("SELECT 1")})
		if err != nil {
			t.Fatal(err)
		}
		drain(t, r)
	}
	cancel()
	_, err := d.Query(ctx, sdk.Query{Statement: stmt("SELECT 1")})
	wantError(t, err, context.Canceled)
}
