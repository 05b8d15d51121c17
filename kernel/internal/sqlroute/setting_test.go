package sqlroute

import (
	"database/sql"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// TestSettingsBelongToTheSession: a migrator turns foreign keys off around its
// transaction; nobody else sees it, and they are on again when it says so.
func TestSettingsBelongToTheSession(t *testing.T) {
	b, _ := newOnStore(t)
	db := Open(b)
	defer db.Close()
	must(t, db, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)")
	mine, other := pin(t, db), pin(t, db)
	state := func(want ...int) {
		t.Helper()
		var got [2]int
		for i, c := range []*sql.Conn{mine, other} {
			if err := c.QueryRowContext(t.Context(), "PRAGMA foreign_keys").Scan(&got[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got != [2]int{want[0], want[1]} {
			t.Errorf("foreign_keys is %v, want %v", got, want)
		}
	}
	state(1, 1)
	must(t, mine, "PRAGMA foreign_keys = off")
	state(0, 1)
	must(t, mine, "INSERT INTO c VALUES (1)") // alone: a private transaction
	if _, err := other.ExecContext(t.Context(), "INSERT INTO c VALUES (2)"); !isSQL(err, 787) {
		t.Errorf("the other session: %v, want a violated foreign key", err)
	}
	tx, err := mine.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx, "PRAGMA foreign_keys = on") // SQLite ignores it inside a transaction
	must(t, tx, "INSERT INTO c VALUES (3)")
	_, err = tx.Exec("PRAGMA recursive_triggers = on")
	refused(t, err, sdk.ErrUnsupported)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	must(t, mine, "PRAGMA foreign_keys = on; DELETE FROM c; PRAGMA main.foreign_keys(0); INSERT INTO c VALUES (4)")
	state(0, 1)
	must(t, mine, "PRAGMA foreign_keys = true")
	if _, err := mine.ExecContext(t.Context(), "INSERT INTO c VALUES (5)"); !isSQL(err, 787) {
		t.Errorf("after ON: %v, want a violated foreign key", err)
	}
	if n := count(t, db, "c"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}
