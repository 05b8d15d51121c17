package systest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestRestartWithTheSameID: the label is no key, so a new instance never meets the
// write ids of the last one that had it.
func TestRestartWithTheSameID(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	keeper := boot(t, dir, named("keeper"))
	mustExec(t, keeper, "CREATE TABLE t(x)")
	seen := map[string]bool{}
	for n := range 5 {
		i := boot(t, dir, named("same"))
		if seen[i.Incarnation()] {
			t.Fatalf("incarnation %s came twice", i.Incarnation())
		}
		seen[i.Incarnation()] = true
		mustExec(t, i, "INSERT INTO t VALUES(?)", n) // always its first write id
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, keeper, "SELECT count(DISTINCT x) FROM t"); got != 5 {
		t.Errorf("%d rows, want 5", got)
	}
}

func TestTwoLiveInstancesShareAnID(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b, c := boot(t, dir, named("same")), boot(t, dir, named("same")), boot(t, dir, named("same"))
	onePrimary(t, a, b, c)
	meets(t, a, b, c)
	st, err := c.Status(within(t))
	if err != nil || len(st.Instances) != 3 {
		t.Fatalf("%d instances listed (%v), want 3: %+v", len(st.Instances), err, st.Instances)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, b, "INSERT INTO met VALUES('after')")
	onePrimary(t, b, c)
	meets(t, b, c)
}

// TestTwoWorkspacesOneDatabase: in the system ramet replaces they had two
// primaries over one database.
func TestTwoWorkspacesOneDatabase(t *testing.T) {
	sdktest.NoLeaks(t)
	data := filepath.Join(t.TempDir(), "shared.db")
	x, y := t.TempDir(), t.TempDir()
	a, b := boot(t, x, dataAt(data)), boot(t, y, dataAt(data))
	t.Chdir(y)
	rel, err := filepath.Rel(y, data)
	if err != nil {
		t.Fatal(err)
	}
	c := boot(t, y, dataAt(rel))
	onePrimary(t, a, b, c)
	meets(t, a, b, c)
}

// TestOwnDatabaseOfAnotherWorkspace: one names as its DataPath what is the other's
// default.
func TestOwnDatabaseOfAnotherWorkspace(t *testing.T) {
	sdktest.NoLeaks(t)
	x, y := t.TempDir(), t.TempDir()
	data := filepath.Join(x, ".ramet", "ramet.db")
	for _, order := range [][]func() *kernel.Instance{
		{func() *kernel.Instance { return boot(t, x) }, func() *kernel.Instance { return boot(t, y, dataAt(data)) }},
		{func() *kernel.Instance { return boot(t, y, dataAt(data)) }, func() *kernel.Instance { return boot(t, x) }},
	} {
		a, b := order[0](), order[1]()
		onePrimary(t, a, b)
		meets(t, a, b)
		if a.Workspace().Key != b.Workspace().Key {
			t.Errorf("keys %s and %s", a.Workspace().Key, b.Workspace().Key)
		}
		for _, i := range []*kernel.Instance{b, a} {
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDataPathBySymlink(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "real.db")
	link := filepath.Join(t.TempDir(), "link.db")
	a := boot(t, dir, dataAt(data))
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	b := boot(t, dir, dataAt(link))
	onePrimary(t, a, b)
	meets(t, a, b)
}

// TestWithAndWithoutRuntimeDir: cron and desktop meet.
func TestWithAndWithoutRuntimeDir(t *testing.T) {
	sdktest.NoLeaks(t)
	runtime := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][2]string{{runtime, ""}, {"", runtime}} {
		dir := t.TempDir()
		t.Setenv("XDG_RUNTIME_DIR", order[0])
		a := boot(t, dir)
		t.Setenv("XDG_RUNTIME_DIR", order[1])
		b := boot(t, dir)
		onePrimary(t, a, b)
		meets(t, a, b)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		mustExec(t, b, "INSERT INTO met VALUES('after')")
		if b.Role() != sdk.Primary {
			t.Errorf("role %q after the other left", b.Role())
		}
		t.Setenv("XDG_RUNTIME_DIR", order[0])
		meets(t, b, boot(t, dir))
	}
}
