package systest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// pair is a primary and a secondary over a table t.
func pair(t *testing.T, change ...func(*kernel.Config)) []*kernel.Instance {
	t.Helper()
	dir := t.TempDir()
	a := boot(t, dir, append(change, named("first"))...)
	b := boot(t, dir, append(change, named("second"))...)
	mustExec(t, a, "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT UNIQUE)")
	return []*kernel.Instance{a, b}
}

func TestReturningThroughQuery(t *testing.T) {
	sdktest.NoLeaks(t)
	for n, i := range pair(t) {
		var id int
		var x string
		err := i.DB().QueryRowContext(within(t), "INSERT INTO t(x) VALUES(?) RETURNING id, upper(x)", i.ID()).Scan(&id, &x)
		if err != nil || id != n+1 || x != strings.ToUpper(i.ID()) {
			t.Errorf("%s: %d, %q, %v", i.Role(), id, x, err)
		}
		r, err := i.DB().Exec("UPDATE t SET x = x || '!'")
		if err != nil {
			t.Fatal(err)
		}
		if rows, _ := r.RowsAffected(); rows != int64(n+1) {
			t.Errorf("%s: %d rows affected, want %d", i.Role(), rows, n+1)
		}
	}
}

// TestNoTransactionsFromASecondary: there were none in the system ramet replaces.
func TestNoTransactionsFromASecondary(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, i := range pair(t) {
		tx, err := i.DB().BeginTx(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO t(x) VALUES(?)", i.ID()); err != nil {
			t.Fatal(err)
		}
		var inside int
		if err := tx.QueryRow("SELECT count(*) FROM t WHERE x = ?", i.ID()).Scan(&inside); err != nil || inside != 1 {
			t.Errorf("%s: the transaction sees %d of its rows (%v)", i.Role(), inside, err)
		}
		if got := count(t, i, "SELECT count(*) FROM t WHERE x = '"+i.ID()+"'"); got != 0 {
			t.Errorf("%s: %d uncommitted rows are seen outside", i.Role(), got)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if got := count(t, i, "SELECT count(*) FROM t WHERE x = '"+i.ID()+"'"); got != 1 {
			t.Errorf("%s: %d rows after COMMIT", i.Role(), got)
		}
		tx, err = i.DB().BeginTx(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("DELETE FROM t"); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if got := count(t, i, "SELECT count(*) FROM t"); got == 0 {
			t.Errorf("%s: a rolled back DELETE was applied", i.Role())
		}
	}
}

// TestErrorCodesFlattenedToText: they were. Code and kind are the same on both
// roles, also inside a transaction, and a failed statement leaves it open.
func TestErrorCodesFlattenedToText(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	mustExec(t, all[0], "INSERT INTO t VALUES(1, 'taken')")
	const unique, generic = 2067, 1
	for _, i := range all {
		tx, err := i.DB().BeginTx(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, inTx := tx.Exec("INSERT INTO t(x) VALUES('taken')")
		if _, err := tx.Exec("INSERT INTO t(x) VALUES(?)", i.ID()); err != nil {
			t.Errorf("%s: a failed statement ended the transaction: %v", i.Role(), err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		_, dup := i.DB().Exec("INSERT INTO t(x) VALUES('taken')")
		ret := i.DB().QueryRow("INSERT INTO t(x) VALUES('taken') RETURNING id").Scan(new(int))
		_, none := i.DB().Exec("INSERT INTO none VALUES(1)")
		_, syntax := i.DB().Exec("INSERT INTO")
		for what, c := range map[string]struct {
			err  error
			code int
		}{"in transaction": {inTx, unique}, "exec": {dup, unique}, "returning": {ret, unique}, "no table": {none, generic}, "syntax": {syntax, generic}} {
			var e *sdk.SQLError
			if !errors.As(c.err, &e) || e.Code() != c.code {
				t.Errorf("%s, %s: %v, want *sdk.SQLError with code %d", i.Role(), what, c.err, c.code)
			}
		}
	}
}

// TestTransactionLimits: a transaction holds the writer of all, so it is ended when
// it pauses or lasts too long, and says why.
func TestTransactionLimits(t *testing.T) {
	sdktest.NoLeaks(t)
	limits := func(c *kernel.Config) { c.TxIdle, c.TxTotal = 50*time.Millisecond, 300*time.Millisecond }
	for n, i := range pair(t, limits) {
		tx, err := i.DB().BeginTx(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO t(x) VALUES('idle')"); err != nil {
			t.Fatal(err)
		}
		mustExec(t, i, "INSERT INTO t(x) VALUES(?)", i.ID()) // waits until the idle limit ends it
		_, err = tx.Exec("INSERT INTO t(x) VALUES('late')")
		if !errors.Is(err, sdk.ErrTxLost) || !strings.Contains(err.Error(), "idle limit") {
			t.Errorf("%s: %v, want ErrTxLost naming the idle limit", i.Role(), err)
		}
		if err := tx.Commit(); err == nil {
			t.Errorf("%s: COMMIT of a lost transaction succeeded", i.Role())
		}
		tx, err = i.DB().BeginTx(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil { // never idle
			_, err = tx.Exec("INSERT INTO t(x) VALUES(hex(randomblob(16)))")
		}
		if !errors.Is(err, sdk.ErrTxLost) || !strings.Contains(err.Error(), "total limit") {
			t.Errorf("%s: %v, want ErrTxLost naming the total limit", i.Role(), err)
		}
		tx.Rollback()
		if got := count(t, i, "SELECT count(*) FROM t"); got != n+1 {
			t.Errorf("%s: %d rows, want %d: lost transactions left something", i.Role(), got, n+1)
		}
	}
}

// TestReadOnlyTransactionStaysLocal: it takes no writer, keeps its snapshot, and
// needs no primary.
func TestReadOnlyTransactionStaysLocal(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	holder, err := all[0].DB().BeginTx(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	for _, i := range all {
		tx, err := i.DB().BeginTx(within(t), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow("SELECT count(*) FROM t").Scan(new(int)); err != nil {
			t.Errorf("%s: %v", i.Role(), err)
		}
		if _, err := tx.Exec("INSERT INTO t(x) VALUES('no')"); !errors.Is(err, sdk.ErrReadOnly) {
			t.Errorf("%s: write: %v, want ErrReadOnly", i.Role(), err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	if err := holder.Commit(); err != nil {
		t.Fatal(err)
	}
	tx, err := all[1].DB().BeginTx(within(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	before, after := 0, 0
	if err := tx.QueryRow("SELECT count(*) FROM t").Scan(&before); err != nil {
		t.Fatal(err)
	}
	mustExec(t, all[1], "INSERT INTO t(x) VALUES('new')")
	if err := all[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow("SELECT count(*) FROM t").Scan(&after); err != nil || after != before {
		t.Errorf("the snapshot moved from %d to %d rows over a failover (%v)", before, after, err)
	}
}

func TestLocalDBNeverWrites(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, i := range pair(t) {
		db := i.LocalDB()
		for _, text := range []string{"INSERT INTO t(x) VALUES('x')", "CREATE TABLE u(x)", "INSERT INTO t(x) VALUES('x') RETURNING id"} {
			if _, err := db.Exec(text); !errors.Is(err, sdk.ErrReadOnly) {
				t.Errorf("%s: %s: %v, want ErrReadOnly", i.Role(), text, err)
			}
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO t(x) VALUES('x')"); !errors.Is(err, sdk.ErrReadOnly) {
			t.Errorf("%s: in a transaction: %v, want ErrReadOnly", i.Role(), err)
		}
		tx.Rollback()
		var n int
		if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", i.Role(), n, err)
		}
	}
}

// TestHandlesSurvivePromotion: what was opened on a secondary works on the primary
// that it becomes.
func TestHandlesSurvivePromotion(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	a, b := all[0], all[1]
	mustExec(t, a, "WITH RECURSIVE s(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM s WHERE n < 20000) INSERT INTO t SELECT n, printf('%080d', n) FROM s")
	ctx := within(t)
	insert, err := b.DB().Prepare("INSERT INTO t(x) VALUES(?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	conn, err := b.DB().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := b.DB().Query("SELECT id FROM t ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	local, err := b.LocalDB().Prepare("SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	tx, err := b.DB().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t(x) VALUES('lost')"); err != nil {
		t.Fatal(err)
	}
	read := 0
	for ; read < 10 && rows.Next(); read++ {
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	awaitRole(t, b, sdk.Primary)
	for rows.Next() {
		read++
	}
	if err := rows.Err(); err != nil || read != 20000 {
		t.Errorf("rows opened before: %d read, %v", read, err)
	}
	if _, err := tx.Exec("INSERT INTO t(x) VALUES('more')"); !errors.Is(err, sdk.ErrTxLost) {
		t.Errorf("transaction whose primary left: %v, want ErrTxLost", err)
	}
	if err := tx.Commit(); !errors.Is(err, sdk.ErrTxLost) {
		t.Errorf("its COMMIT: %v, want ErrTxLost", err)
	}
	if _, err := insert.Exec("stmt"); err != nil {
		t.Errorf("statement: %v", err)
	}
	if _, err := conn.ExecContext(ctx, "INSERT INTO t(x) VALUES('conn')"); err != nil {
		t.Errorf("connection: %v", err)
	}
	var n int
	if err := local.QueryRow().Scan(&n); err != nil || n != 20002 {
		t.Errorf("local statement: %d rows, %v, want 20002", n, err)
	}
}

// TestWritesDuringHandOver: none fails, none is doubled.
func TestWritesDuringHandOver(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	keeper := boot(t, dir, named("keeper"), noFailover)
	a := boot(t, dir, named("a"))
	mustExec(t, a, "CREATE TABLE n(v INTEGER); INSERT INTO n VALUES(0)")
	done, stop := make(chan int), make(chan struct{})
	go func() {
		acked := 0
		defer func() { done <- acked }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := a.DB().ExecContext(within(t), "UPDATE n SET v = v + 1"); err != nil {
				t.Errorf("write %d: %v", acked, err)
				return
			}
			acked++
		}
	}()
	if err := keeper.Close(); err != nil { // a becomes primary under load
		t.Error(err)
	}
	awaitRole(t, a, sdk.Primary)
	mustExec(t, a, "UPDATE n SET v = v + 1")
	close(stop)
	if acked := <-done + 1; count(t, a, "SELECT v FROM n") != acked {
		t.Errorf("%d increments acknowledged, %d applied", acked, count(t, a, "SELECT v FROM n"))
	}
}

func TestDeadlineWins(t *testing.T) {
	sdktest.NoLeaks(t)
	all := pair(t)
	holder, err := all[0].DB().BeginTx(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := i.DB().ExecContext(ctx, "INSERT INTO t(x) VALUES('late')")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, sdk.ErrOutcomeUnknown) {
			t.Errorf("%s: %v, want the deadline and whether it was applied", i.Role(), err)
		}
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, all[1], "INSERT INTO t(x) VALUES('next')") // one deadline hurts nobody else
}
