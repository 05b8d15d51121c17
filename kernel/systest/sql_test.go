//go:build unix

package systest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestRefusedStatements: what would break a promise, or would act on one shared
// connection only, is refused by name on either role, and nothing happens.
func TestRefusedStatements(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, i := range pair(t) {
		for _, text := range []string{
			"ATTACH 'other.db' AS other", "DETACH other", "VACUUM", "VACUUM INTO 'copy.db'",
			"CREATE TEMP TABLE x(a)", "CREATE TABLE temp.x(a)", "CREATE TEMPORARY VIEW x AS SELECT 1", "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
			"PRAGMA journal_mode = DELETE", "PRAGMA journal_mode(off)", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA query_only = ON", "PRAGMA read_uncommitted = ON",
			"PRAGMA writable_schema = ON", "PRAGMA writable_schema = RESET", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA schema_version = 7", "PRAGMA auto_vacuum = FULL",
			"PRAGMA encoding = 'UTF-16'", "PRAGMA secure_delete = ON", "PRAGMA case_sensitive_like = ON", "PRAGMA trusted_schema = OFF", "PRAGMA temp_store_directory = '/'", "PRAGMA data_store_directory = '/'",
			"SELECT 1; ATTACH 'other.db' AS other", "INSERT INTO t(x) VALUES('no'); VACUUM",
		} {
			_, err := i.DB().ExecContext(within(t), text)
			var refused bool
			if refused = errors.Is(err, sdk.ErrUnsupported); !refused {
				t.Errorf("%s: %s: %v, want ErrUnsupported", i.Role(), text, err)
			}
			if refused && len(err.Error()) < 40 {
				t.Errorf("%s: %s: %v does not say why", i.Role(), text, err)
			}
		}
		if n := count(t, i, "SELECT count(*) FROM t"); n != 0 {
			t.Errorf("%s: %d rows of refused texts", i.Role(), n)
		}
		for _, text := range []string{
			"PRAGMA busy_timeout = 1", "PRAGMA cache_size = -100", "PRAGMA synchronous = OFF", "PRAGMA temp_store = MEMORY", "PRAGMA mmap_size = 1000000", "PRAGMA journal_mode = WAL",
			"PRAGMA foreign_keys = ON", "PRAGMA wal_autocheckpoint = 0", "PRAGMA optimize", "PRAGMA user_version = 3", "PRAGMA application_id = 4", "REINDEX", "ANALYZE",
		} {
			if _, err := i.DB().ExecContext(within(t), text); err != nil {
				t.Errorf("%s: %s: %v", i.Role(), text, err)
			}
		}
		if got := count(t, i, "PRAGMA synchronous"); got == 0 {
			t.Errorf("%s: a tuning PRAGMA had effect", i.Role())
		}
	}
}

// TestMetaTablesAreOutOfReach: the application can neither change nor drop them nor
// take their names, and listings do not show them.
func TestMetaTablesAreOutOfReach(t *testing.T) {
	sdktest.NoLeaks(t)
	const notAuthorized = 23
	for _, i := range pair(t) {
		for _, text := range []string{
			"DROP TABLE ramet_meta", "DELETE FROM ramet_changes", "UPDATE ramet_meta SET epoch = 99", "INSERT INTO ramet_writes SELECT * FROM ramet_writes", "ALTER TABLE ramet_meta RENAME TO x",
			"CREATE INDEX i ON ramet_changes(tbl)", "CREATE TRIGGER tr AFTER INSERT ON ramet_changes BEGIN SELECT 1; END", "CREATE TABLE Ramet_Mine(x)", "CREATE VIEW ramet_v AS SELECT 1",
			"CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM ramet_writes; END; INSERT INTO t(x) VALUES('trigger')", "WITH x AS (SELECT 1) DELETE FROM main.ramet_meta", "REPLACE INTO \"ramet_floors\" VALUES ('x', 1, 1)",
		} {
			_, err := i.DB().ExecContext(within(t), text)
			var e *sdk.SQLError
			if !errors.As(err, &e) || e.Code() != notAuthorized {
				t.Errorf("%s: %s: %v, want SQLITE_AUTH", i.Role(), text, err)
			}
		}
		for _, text := range []string{
			"SELECT count(*) FROM sqlite_master WHERE name LIKE 'ramet%'", "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%ramet%'",
			"SELECT count(*) FROM pragma_table_list WHERE name LIKE 'ramet%'",
		} {
			if n := count(t, i, text); n != 0 {
				t.Errorf("%s: %s: %d", i.Role(), text, n)
			}
		}
	}
}

// TestBadInputOnEitherRole: the same as plain SQLite, or a clear error, and the
// handle works on.
func TestBadInputOnEitherRole(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	for _, i := range all {
		for _, c := range []struct {
			name, text string
			args       []any
			code       int
		}{
			{"syntax", "INSERT INTO t(x) VALUSE ('x')", nil, 1},
			{"open string", "INSERT INTO t(x) VALUES ('x", nil, 1},
			{"100,000 parameters", "INSERT INTO t(x) VALUES (?" + strings.Repeat("),(?", 99_999) + ")", make([]any, 100_000), 1},
			{"deep expression", "SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), nil, 1},
			{"long text", "SELECT '" + strings.Repeat("x", 2_000_000) + "", nil, 1},
		} {
			_, err := i.DB().ExecContext(within(t), c.text, c.args...)
			var e *sdk.SQLError
			if !errors.As(err, &e) || e.Code() != c.code {
				t.Errorf("%s: %s: %.300v, want *sdk.SQLError with code %d", i.Role(), c.name, err, c.code)
			}
		}
		var many strings.Builder
		for n := range 1000 {
			fmt.Fprintf(&many, "INSERT INTO t(x) VALUES('%s %d');\n", i.ID(), n)
		}
		if _, err := i.DB().ExecContext(within(t), many.String()); err != nil {
			t.Errorf("%s: a thousand statements: %v", i.Role(), err)
		}
		if n := count(t, i, "SELECT count(*) FROM t WHERE x LIKE '"+i.ID()+" %'"); n != 1000 {
			t.Errorf("%s: %d of a thousand statements had effect", i.Role(), n)
		}
		mustExec(t, i, "DELETE FROM t")
		if _, err := i.DB().ExecContext(within(t), "INSERT INTO t(x) VALUES('before') \x00 garbage"); err != nil {
			t.Errorf("%s: SQLite reads a text up to its NUL: %v", i.Role(), err)
		}
		mustExec(t, i, "DELETE FROM t")
	}
}

// TestValuesLargerThanAFrame: a write from a secondary must fit in a message, and
// says so; what is there can be read everywhere.
func TestValuesLargerThanAFrame(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	a, b := all[0], all[1]
	blob := bytes.Repeat([]byte{0, 1, 2, 3}, 50<<20/4)
	if _, err := b.DB().ExecContext(within(t), "INSERT INTO t(id, x) VALUES(1, ?)", blob); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), "split it") {
		t.Errorf("50 MB from a secondary: %v, want ErrInvalid that says what to do", err)
	}
	mustExec(t, a, "INSERT INTO t(id, x) VALUES(1, ?)", blob)
	for _, i := range all {
		var got []byte
		if err := i.DB().QueryRowContext(within(t), "SELECT x FROM t").Scan(&got); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("%s: read %d bytes, %v", i.Role(), len(got), err)
		}
	}
	tx, err := b.DB().BeginTx(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	err = tx.QueryRow("SELECT x FROM t").Scan(&got)
	if sdk.CodeOf(err) == 0 && (err != nil || !bytes.Equal(got, blob)) {
		t.Errorf("in a transaction of a secondary: %d bytes, %v; want a typed error or the value", len(got), err)
	}
	t.Logf("in a transaction of a secondary: %v", err)
	_ = tx.Rollback() // it may be over
	if err := b.DB().QueryRowContext(within(t), "UPDATE t SET id = id RETURNING x").Scan(&got); !errors.Is(err, sdk.ErrResultGone) {
		t.Errorf("RETURNING of 50 MB to a secondary: %v, want ErrResultGone (applied)", err)
	}
	mustExec(t, b, "DELETE FROM t")
}

// TestSchemaChangesUnderAPreparedStatement: it sees the new schema, as with SQLite.
func TestSchemaChangesUnderAPreparedStatement(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	mustExec(t, all[0], "INSERT INTO t VALUES(1, 'a')")
	columns := func(stmt *sql.Stmt) int {
		t.Helper()
		rows, err := stmt.QueryContext(within(t))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for n, i := range all {
		stmt, err := i.DB().PrepareContext(within(t), "SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		insert, err := i.DB().PrepareContext(within(t), "INSERT INTO t DEFAULT VALUES RETURNING *")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*sql.Stmt{stmt, insert} {
			if got := columns(s); got != 2+n {
				t.Errorf("%s: %d columns before, want %d", i.Role(), got, 2+n)
			}
		}
		mustExec(t, all[1-n], fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d", n))
		for _, s := range []*sql.Stmt{stmt, insert} {
			if got := columns(s); got != 3+n {
				t.Errorf("%s: %d columns after the other one's ALTER TABLE, want %d", i.Role(), got, 3+n)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	mustExec(t, all[1], "DROP TABLE t")
	if _, err := all[0].DB().ExecContext(within(t), "INSERT INTO t DEFAULT VALUES"); sqlCode(err) != 1 {
		t.Errorf("after DROP TABLE: %v", err)
	}
}

func sqlCode(err error) int {
	var e *sdk.SQLError
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// TestTransactionOfACrashedSecondary: it held the writer; its death frees it at
// once, not after the idle limit, and nothing of it is applied.
func TestTransactionOfACrashedSecondary(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	slow := func(c *kernel.Config) { c.TxIdle, c.TxTotal = patience, patience }
	i := boot(t, dir, named("primary"), slow)
	mustExec(t, i, "CREATE TABLE t(x)")
	n := join(t, dir, "secondary")
	n.must(order{Op: "begin", Name: "tx"})
	n.must(order{Op: "txexec", Name: "tx", SQL: "INSERT INTO t VALUES(1)"})
	n.kill()
	mustExec(t, i, "INSERT INTO t VALUES(2)")
	if got := count(t, i, "SELECT sum(x) FROM t"); got != 2 {
		t.Errorf("the sum is %d, want 2", got)
	}
}
