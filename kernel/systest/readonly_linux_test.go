package systest

import (
	"errors"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestWorkdirReadOnly(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=8m,mode=700")
	readOnly(t, dir, true)
	refused(t, dir, "read-only")
	readOnly(t, dir, false)
	i := boot(t, dir)
	mustExec(t, i, "CREATE TABLE t(x)")
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}

	// A workspace that became read-only: reads work, and the reason is told.
	readOnly(t, dir, true)
	i = boot(t, dir)
	st, err := i.Status(t.Context())
	if err != nil || i.Role() != sdk.Secondary || !strings.Contains(strings.Join(st.Degraded, "\n"), "cannot be written to") {
		t.Errorf("role %q, error %v, degraded %q; want a secondary that says why", i.Role(), err, st.Degraded)
	}
	if got := count(t, i, "SELECT count(*) FROM t"); got != 0 {
		t.Errorf("count %d, want 0", got)
	}
	if _, err := i.DB().Exec("INSERT INTO t VALUES(1)"); !errors.Is(err, sdk.ErrReadOnly) {
		t.Errorf("write: %v, want ErrReadOnly", err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	readOnly(t, dir, false)
	i = boot(t, dir)
	if got := count(t, i, "SELECT count(*) FROM t"); got != 0 || i.Role() != sdk.Primary {
		t.Errorf("role %q, count %d, want primary, 0", i.Role(), got)
	}
}
