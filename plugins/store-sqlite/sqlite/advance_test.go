package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestOldPrimaryIsFencedInsideItsTransaction(t *testing.T) {
	a, e1 := primary(t)
	must(t, a, e1, "CREATE TABLE t(x)")
	b := open(t, a.path, sdk.Primary)
	ctx := bounded(t)
	_, err := b.Advance(ctx, sdk.Fence{Observed: e1 + 5})
	wantError(t, err, sdk.ErrFenced)
	g, err := b.Advance(ctx, sdk.Fence{Observed: e1, AtLeast: 10, Owner: sdk.Record{Instance: "b", PID: 7}})
	if err != nil || g.Epoch != 10 {
		t.Fatal(g, err)
	}
	_, err = a.Apply(ctx, e1, []sdk.Request{request("INSERT INTO t VALUES (1)"), request("INSERT INTO t VALUES (2)")})
	wantError(t, err, sdk.ErrFenced)
	_, err = a.Begin(ctx, e1, sdk.TxOptions{})
	wantError(t, err, sdk.ErrFenced)
	wantError(t, a.SetSchema(ctx, e1, 3), sdk.ErrFenced)
	_, err = a.Outcome(ctx, e1, sdk.WriteID{Incarnation: senderA, Sequence: 1})
	wantError(t, err, sdk.ErrFenced)
	_, err = a.Query(ctx, sdk.Query{Statement: stmt("SELECT 1"), Level: sdk.ReadLinearizable, Epoch: e1})
	wantError(t, err, sdk.ErrFenced)
	r, err := b.Query(ctx, sdk.Query{Statement: stmt("SELECT count(*) FROM t"), Level: sdk.ReadLinearizable, Epoch: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); got[0][0] != int64(0) {
		t.Errorf("the fenced primary wrote %v rows", got[0][0])
	}
	st, err := a.Status(ctx)
	if err != nil || st.Epoch != 10 || st.Owner.Instance != "b" || st.Owner.PID != 7 || st.Lineage != g.Lineage {
		t.Errorf("status %+v, %v", st, err)
	}
	must(t, b, 10, "INSERT INTO t VALUES (3)")
}

func TestOldProgramDoesNotAdvanceANewSchema(t *testing.T) {
	d, e := primary(t)
	if err := d.SetSchema(bounded(t), e, 5); err != nil {
		t.Fatal(err)
	}
	_, err := d.Advance(bounded(t), sdk.Fence{Observed: e, SchemaVersion: 4})
	wantError(t, err, sdk.ErrIncompatible)
	g, err := d.Advance(bounded(t), sdk.Fence{Observed: e, SchemaVersion: 6})
	if err != nil || g.SchemaVersion != 5 {
		t.Error(g, err)
	}
}

// TestReplacedFileIsNotAdvanced: a handle opened ahead must not win an epoch in a file
// that has no name any more.
func TestReplacedFileIsNotAdvanced(t *testing.T) {
	d, e := primary(t)
	spare := open(t, d.path, sdk.Primary)
	if err := d.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, d.path); err != nil {
		t.Fatal(err)
	}
	_, err = spare.Advance(bounded(t), sdk.Fence{Observed: e})
	wantError(t, err, sdk.ErrClosed)
}

func TestRestoredBackupGetsANewLineage(t *testing.T) {
	d, e := primary(t)
	first, err := d.Status(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	same, err := d.Advance(bounded(t), sdk.Fence{Observed: e, RecordEpoch: e, RecordLineage: first.Lineage})
	if err != nil || same.Lineage != first.Lineage || same.Workspace != first.Workspace {
		t.Fatalf("an ordinary promotion: %+v, %v", same, err)
	}
	must(t, d, same.Epoch, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	old, err := d.Status(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Advance(bounded(t), sdk.Fence{Observed: same.Epoch, RecordEpoch: 50, AtLeast: 51, RecordLineage: first.Lineage})
	if err != nil || g.Epoch != 51 || g.Lineage == first.Lineage || g.Workspace != first.Workspace {
		t.Fatalf("a restored backup: %+v, %v", g, err)
	}
	f, err := d.Changes(bounded(t), old.Newest)
	if err != nil {
		t.Fatal(err)
	}
	page, err := f.Next(bounded(t))
	if err != nil || page[0].Op != sdk.OpGap || page[0].Position.Lineage != g.Lineage {
		t.Errorf("got %+v, %v, want a gap", page, err)
	}
	must(t, d, 51, "INSERT INTO t VALUES (2)")
	page, err = f.Next(bounded(t))
	if err != nil || len(page) != 1 || page[0].RowID != 2 {
		t.Errorf("after the gap: %+v, %v", page, err)
	}
}

func TestCopiedDirectoryIsAnotherWorkspace(t *testing.T) {
	d, e := primary(t)
	must(t, d, e, "CREATE TABLE t(a)")
	before, err := d.Status(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	g := advance(t, open(t, path, sdk.Primary))
	if g.Workspace == before.Workspace || g.Lineage == before.Lineage || g.Epoch != e+1 {
		t.Errorf("the copy got %+v, the original is %+v", g, before)
	}
}
