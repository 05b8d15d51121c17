package systest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// wide is a table whose rows fill many blocks.
func wide(t *testing.T, m *mortal) {
	t.Helper()
	mustExec(t, m.Instance, "CREATE TABLE wide(x TEXT)")
	mustExec(t, m.Instance, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)
		INSERT INTO wide SELECT printf('%0200d', i) FROM n`)
}

// TestReadsOutliveTheStore: a read that has not begun to give rows is made again,
// also while the plugin is down; one that has ends with an error that says so.
func TestReadsOutliveTheStore(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := bootMortal(t, dir, "a"), bootMortal(t, dir, "b")
	wide(t, a)
	for _, m := range []*mortal{b, a} {
		store := m.plugins[sdk.StageStore]
		for _, method := range []string{"DB.Prepare", "DB.Query", "Rows.Next"} {
			for _, when := range []string{"before", "after"} {
				leader(t, a, b)
				arm(store, when, method)
				query := fmt.Sprintf("SELECT count(*) FROM wide /* %s %s */", when, method) // not seen before
				if got := count(t, m.Instance, query); got != 2000 {
					t.Errorf("%s: %s %s: %d rows", m.ID(), when, method, got)
				}
			}
		}
		rows, err := m.DB().QueryContext(within(t), "SELECT x FROM wide")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		m.crash(t, sdk.StageStore)
		for rows.Next() {
		}
		if err := rows.Err(); !errors.Is(err, sdk.ErrUnavailable) {
			t.Errorf("%s: rows of a store that died: %v, want ErrUnavailable", m.ID(), err)
		}
		if err := rows.Close(); err != nil {
			t.Errorf("%s: close rows: %v", m.ID(), err)
		}
		if got := count(t, m.Instance, "SELECT count(*) FROM wide"); got != 2000 {
			t.Errorf("%s: %d rows", m.ID(), got)
		}
	}
}

// TestReadTransactionIsLostWithTheStore: its snapshot cannot be had again.
func TestReadTransactionIsLostWithTheStore(t *testing.T) {
	sdktest.NoLeaks(t)
	m := bootMortal(t, t.TempDir(), "a")
	wide(t, m)
	for _, handle := range []*sql.DB{m.DB(), m.LocalDB()} {
		tx, err := handle.BeginTx(within(t), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		m.crash(t, sdk.StageStore)
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM wide").Scan(&n); !errors.Is(err, sdk.ErrTxLost) {
			t.Errorf("a read in it: %v, want ErrTxLost", err)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("roll back: %v", err)
		}
		if err := handle.QueryRow("SELECT count(*) FROM wide").Scan(&n); err != nil || n != 2000 {
			t.Errorf("afterwards: %d rows, %v", n, err)
		}
	}
}

// TestBusAndRolesOutliveTheTransport: subscriptions go on after a Gap, handlers are
// found again, on both roles.
func TestBusAndRolesOutliveTheTransport(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := bootMortal(t, dir, "a"), bootMortal(t, dir, "b")
	handle(t, b.Instance, "who", func(context.Context, []byte) ([]byte, error) { return []byte("b"), nil })
	sub := subscribe(t, b.Instance, "x")
	for n, m := range []*mortal{a, b, a} {
		m.crash(t, sdk.StageTransport)
		until(t, "an event of this round", func() bool {
			publish(t, a.Instance, "x", fmt.Sprint(n))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			e, err := sub.Next(ctx)
			return err == nil && string(e.Body) == fmt.Sprint(n)
		})
		until(t, "the handler is found", func() bool {
			got, err := a.Bus().Call(within(t), "who", nil)
			return err == nil && string(got) == "b"
		})
	}
	if a.Lease().Epoch != 1 || a.Role() != sdk.Primary {
		t.Errorf("epoch %d, role %q; want 1 and primary", a.Lease().Epoch, a.Role())
	}
}
