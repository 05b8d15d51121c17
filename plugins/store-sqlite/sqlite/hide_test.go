package sqlite

import (
	"fmt"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestHideMeta(t *testing.T) {
	const all, list = "(SELECT * FROM main.sqlite_schema WHERE tbl_name NOT GLOB 'ramet_*')", "(SELECT * FROM pragma_table_list WHERE name NOT GLOB 'ramet_*')"
	for text, want := range map[string]string{
		"SELECT 1":                                                   "SELECT 1",
		"SELECT name FROM sqlite_master":                             "SELECT name FROM " + all + " AS sqlite_master",
		"SELECT name FROM main.sqlite_master m":                      "SELECT name FROM " + all + " m",
		"select * from \"Sqlite_Schema\" AS x where 1":               "select * from " + all + " AS x where 1",
		"SELECT sqlite_master.name FROM sqlite_master WHERE 1":       "SELECT sqlite_master.name FROM " + all + " AS sqlite_master WHERE 1",
		"SELECT 1 FROM t, sqlite_schema LEFT JOIN u ON f(1, 2)":      "SELECT 1 FROM t, " + all + " AS sqlite_schema LEFT JOIN u ON f(1, 2)",
		"SELECT a, (SELECT count(*) FROM [sqlite_master]), b":        "SELECT a, (SELECT count(*) FROM " + all + " AS sqlite_master), b",
		"SELECT x FROM (sqlite_master JOIN t)":                       "SELECT x FROM (" + all + " AS sqlite_master JOIN t)",
		"SELECT f(x, sqlite_master) FROM t":                          "SELECT f(x, sqlite_master) FROM t",
		"DELETE FROM sqlite_master":                                  "DELETE FROM sqlite_master",
		"CREATE VIEW v AS SELECT * FROM sqlite_master":               "CREATE VIEW v AS SELECT * FROM sqlite_master",
		"SELECT 'sqlite_master' -- sqlite_master":                    "SELECT 'sqlite_master' -- sqlite_master",
		"SELECT * FROM pragma_table_list WHERE schema = 'main'":      "SELECT * FROM " + list + " AS pragma_table_list WHERE schema = 'main'",
		"SELECT * FROM pragma_table_list('t')":                       "SELECT * FROM pragma_table_list('t')",
		"PRAGMA table_list":                                          list[1 : len(list)-1],
		"PRAGMA main.table_list;":                                    list[1:len(list)-1] + " AND schema = 'main'",
		"PRAGMA table_list(t)":                                       "PRAGMA table_list(t)",
		"SELECT * FROM temp.sqlite_master":                           "SELECT * FROM temp.sqlite_master",
		"INSERT INTO t SELECT name FROM sqlite_master ORDER BY 1":    "INSERT INTO t SELECT name FROM " + all + " AS sqlite_master ORDER BY 1",
		"SELECT rowid FROM sqlite_master":                            "SELECT rowid FROM (SELECT rowid, * FROM main.sqlite_schema WHERE tbl_name NOT GLOB 'ramet_*') AS sqlite_master",
		"WITH x AS (SELECT * FROM sqlite_master) SELECT * FROM x":    "WITH x AS (SELECT * FROM " + all + " AS sqlite_master) SELECT * FROM x",
		"SELECT 1 FROM sqlite_master UNION SELECT 2 FROM t, u":       "SELECT 1 FROM " + all + " AS sqlite_master UNION SELECT 2 FROM t, u",
		"SELECT 1 FROM t WHERE x IN (SELECT 1, 2) AND sqlite_master": "SELECT 1 FROM t WHERE x IN (SELECT 1, 2) AND sqlite_master",
	} {
		if got := hideMeta(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestListingsDoNotShowOurTables reads them as the application does, on a reader,
// in a transaction and in a write.
func TestListingsDoNotShowOurTables(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE a(x); CREATE INDEX ax ON a(x)")
	for text, want := range map[string]string{
		"SELECT name, type FROM sqlite_master ORDER BY 1":                   "[[a table] [ax index]]",
		"SELECT m.name FROM main.sqlite_schema AS m ORDER BY 1":             "[[a] [ax]]",
		"SELECT name FROM pragma_table_list WHERE schema='main' ORDER BY 1": "[[a] [sqlite_schema]]",
		"SELECT * FROM sqlite_master WHERE name LIKE 'ramet%'":              "[]",
		"PRAGMA main.table_list":                                            "[[main a table 1 0 0] [main sqlite_schema table 5 0 0]]",
	} {
		if got := fmt.Sprint(query(t, d, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		tx, err := d.Begin(bounded(t), epoch, sdk.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tx.Query(bounded(t), stmt(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := fmt.Sprint(drain(t, rows)); got != want {
			t.Errorf("in a transaction: %s: %s, want %s", text, got, want)
		}
		if err := tx.Rollback(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, d, epoch, "CREATE TABLE copy AS SELECT name FROM sqlite_master")
	if got := fmt.Sprint(query(t, d, "SELECT * FROM copy ORDER BY 1")); got != "[[a] [ax]]" {
		t.Error(got)
	}
}
