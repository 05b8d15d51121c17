//go:build unix

package systest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// stranger is a user id that is not ours.
const stranger = 65534

// refused fails t unless Bootstrap says ErrInvalid and names what is wrong.
func refused(t *testing.T, dir string, says string, change ...func(*kernel.Config)) {
	t.Helper()
	_, err := try(t, dir, change...)
	if !errors.Is(err, sdk.ErrInvalid) {
		t.Fatalf("error %v, want ErrInvalid", err)
	}
	if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %q does not name %q and %q", err, dir, says)
	}
}

func TestWorkdirMissing(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "none")
	refused(t, dir, "does not exist")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the missing directory was made: %v", err)
	}
}

func TestWorkdirIsAFile(t *testing.T) {
	sdktest.NoLeaks(t)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "mine")
	refused(t, file, "is not a directory")
	if got := read(t, file); got != "mine" {
		t.Errorf("the file now holds %q", got)
	}
}

func TestWorkdirBelowAFile(t *testing.T) {
	sdktest.NoLeaks(t)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "mine")
	refused(t, filepath.Join(file, "below"), "not a directory")
}

func TestWorkdirOfAnotherUser(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := "/" // belongs to root, whoever else we are
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, dir, "belongs to user")
	if _, err := os.Stat(filepath.Join(dir, ".ramet")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made in another user's directory: %v", err)
	}
}

// TestStateDirNotPrivate: whoever may write there could replace lock and record.
func TestStateDirNotPrivate(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	state := filepath.Join(dir, ".ramet")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0o777); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "can be written by others")
}

func TestStateDirOfAnotherUser(t *testing.T) {
	sdktest.NoLeaks(t)
	sdktest.NeedRoot(t)
	dir := t.TempDir()
	state := filepath.Join(dir, ".ramet")
	if err := errors.Join(os.Mkdir(state, 0o700), os.Chown(state, stranger, stranger)); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "belongs to user")
}

func TestStateDirIsAFile(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	state := filepath.Join(dir, ".ramet")
	write(t, state, "mine")
	refused(t, dir, "is not a directory")
	if got := read(t, state); got != "mine" {
		t.Errorf("the file now holds %q", got)
	}
}

func TestStateDirIsASymlink(t *testing.T) {
	sdktest.NoLeaks(t)
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, ".ramet")); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "symbolic link")
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("the link was followed: %v %v", left, err)
	}
}

// TestWorkdirByManyPaths: whatever path leads there, it is one workspace.
func TestWorkdirByManyPaths(t *testing.T) {
	sdktest.NoLeaks(t)
	base := t.TempDir()
	dir := filepath.Join(base, "work")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	deep := filepath.Join(base, "deep")
	if err := errors.Join(os.Symlink(dir, link), os.Symlink(filepath.Join(link, "sub"), deep)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var all []*kernel.Instance
	for _, path := range []string{dir, link, dir + "/sub/../", deep + "/..", ".", ""} {
		i := boot(t, path, named("at "+path))
		if got := i.Workspace().Dir; got != dir {
			t.Errorf("%q is workspace %q, want %q", path, got, dir)
		}
		all = append(all, i)
	}
	onePrimary(t, all...)
	meets(t, all...)
}

func TestWorkdirWithStrangeName(t *testing.T) {
	sdktest.NoLeaks(t)
	for _, name := range []string{"with space", "q?mode=ro#x%20", "ünïcode", "new\nline", strings.Repeat("long", 60)} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		a, b := boot(t, dir), boot(t, dir)
		onePrimary(t, a, b)
		meets(t, a, b)
	}
}

// TestBadConfigNamesEveryFault: all at once, so that nobody mends them one by one.
func TestBadConfigNamesEveryFault(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	_, err := try(t, dir, func(c *kernel.Config) {
		c.CallTimeout, c.ChangeRetention, c.Durability, c.OnLockError = -1, -1, "some", "perhaps"
	})
	for _, want := range []string{"CallTimeout", "ChangeRetention", "Durability", "OnLockError"} {
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	for _, c := range []struct {
		says   string
		change func(*kernel.Config)
	}{
		{"serves stage", func(c *kernel.Config) { c.Plugins = nil }},
		{"served by both", func(c *kernel.Config) { c.Plugins = append(c.Plugins, c.Plugins[0]) }},
		{"nobody", func(c *kernel.Config) { c.Options = map[string][]byte{"nobody": nil} }},
		{"colour", func(c *kernel.Config) { c.Options = map[string][]byte{"store-sqlite": []byte(`{"colour":1}`)} }},
		{"failover-lease", func(c *kernel.Config) { c.Options = map[string][]byte{"failover-lease": []byte(`not JSON`)} }},
		{"TTL", func(c *kernel.Config) { c.TTL = 1 }},
	} {
		_, err := try(t, dir, c.change)
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
			t.Errorf("error %v does not say %q", err, c.says)
		}
	}
	if i := boot(t, dir); i.Role() != sdk.Primary {
		t.Errorf("role %q after failed attempts, want primary", i.Role())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
