package sqlite

import (
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// TestSettingsEndWithTheirTransaction: the next write has the workspace's again.
func TestSettingsEndWithTheirTransaction(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p)")
	off := []sdk.Setting{{Name: "foreign_keys"}, {Name: "recursive_triggers", On: true}}
	for _, end := range []string{"commit", "rollback"} {
		tx, err := d.Begin(bounded(t), epoch, sdk.TxOptions{Settings: off})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(bounded(t), stmt("INSERT INTO c VALUES (7)")); err != nil {
			t.Errorf("foreign_keys is off: %v", err)
		}
		if end == "rollback" {
			err = tx.Rollback(bounded(t))
		} else {
			_, err = tx.Commit(bounded(t), sdk.Request{})
		}
		if err != nil {
			t.Fatal(err)
		}
		results, err := d.Apply(bounded(t), epoch, []sdk.Request{request("INSERT INTO c VALUES (8)")})
		if err != nil || codeOf(results[0].Err) != codeForeignKey {
			t.Errorf("after %s: %v, %v; want a violated foreign key", end, err, results)
		}
	}
	_, err := d.Begin(bounded(t), epoch, sdk.TxOptions{Settings: []sdk.Setting{{Name: "foreign_keys"}, {Name: "writable_schema", On: true}}})
	wantError(t, err, sdk.ErrUnsupported)
	results, err := d.Apply(bounded(t), epoch, []sdk.Request{request("INSERT INTO c VALUES (8)")})
	if err != nil || codeOf(results[0].Err) != codeForeignKey {
		t.Errorf("after a refused setting: %v, %v; want a violated foreign key", err, results)
	}
}
