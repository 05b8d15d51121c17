package systest

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"modernc.org/sqlite"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// TestSecondSQLiteDriverIsWarnedOf at Bootstrap and in Status, on both roles. It
// runs in a process of its own, since a driver stays registered.
func TestSecondSQLiteDriverIsWarnedOf(t *testing.T) {
	const env = "RAMET_SYSTEST_SECOND_DRIVER"
	if os.Getenv(env) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), env+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	start := func(want bool) {
		for _, role := range []sdk.Role{sdk.Primary, sdk.Secondary} {
			var log bytes.Buffer
			i := boot(t, dir, func(c *kernel.Config) {
				c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: &log})
			})
			st, err := i.Status(within(t))
			if err != nil || i.Role() != role {
				t.Fatalf("role %q, want %q; %v", i.Role(), role, err)
			}
			said := strings.Contains(strings.Join(st.Warnings, "\n"), "sqlite3")
			defer func() { // the log is only read once nobody writes it
				if err := i.Close(); err != nil {
					t.Error(err)
				}
				if logged := strings.Contains(log.String(), "sqlite3"); said != want || logged != want {
					t.Errorf("%s: in status %v, in the log %v, want %v", role, said, logged, want)
				}
			}()
		}
	}
	start(false)
	sql.Register("sqlite3", &sqlite.Driver{}) // as other SQLite libraries call themselves
	start(!external())                        // a store in another process has nothing to fear
}
