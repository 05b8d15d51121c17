package systest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// boot joins dir with failover on and leaves at the end of the test.
func boot(t *testing.T, dir string, change ...func(*kernel.Config)) *kernel.Instance {
	t.Helper()
	cfg := kernel.Config{Workdir: dir, Plugins: plugins(t), Failover: true, TTL: 500 * time.Millisecond}
	if testing.Verbose() {
		cfg.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: testWriter{t}})
	}
	for _, f := range change {
		f(&cfg)
	}
	i, err := kernel.Bootstrap(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return i
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

func mustExec(t *testing.T, i *kernel.Instance, text string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := i.DB().ExecContext(ctx, text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func count(t *testing.T, i *kernel.Instance, query string) (n int) {
	t.Helper()
	if err := i.DB().QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func awaitRole(t *testing.T, i *kernel.Instance, want sdk.Role) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for c := range i.Roles(ctx) {
		if c.Role == want {
			return
		}
	}
	t.Fatalf("%s never became %s; it is %q", i.ID(), want, i.Role())
}

func TestOnePrimaryAndAWorkingSecondary(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	if a.Role() != sdk.Primary || b.Role() != sdk.Secondary {
		t.Fatalf("roles %q, %q; want primary, secondary", a.Role(), b.Role())
	}
	mustExec(t, a, "CREATE TABLE t(x)")
	for n, i := range []*kernel.Instance{a, b, a, b} {
		mustExec(t, i, "INSERT INTO t VALUES(?)", n)
		if got := count(t, i, "SELECT count(*) FROM t"); got != n+1 {
			t.Errorf("own write %d not visible: count %d", n, got)
		}
	}
}

// TestGracefulExitPromotesNobody: the system ramet replaces left the workspace
// without a primary when one exited in good order.
func TestGracefulExitPromotesNobody(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir), boot(t, dir), boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(x)")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for n, i := range []*kernel.Instance{b, c} {
		mustExec(t, i, "INSERT INTO t VALUES(?)", n)
	}
	if got := fmt.Sprint(b.Role(), c.Role()); got != "primary secondary" && got != "secondary primary" &&
		got != "primarysecondary" && got != "secondaryprimary" {
		t.Errorf("roles after the hand-over: %s", got)
	}
	if got := count(t, b, "SELECT count(*) FROM t"); got != 2 {
		t.Errorf("count %d, want 2", got)
	}
}
