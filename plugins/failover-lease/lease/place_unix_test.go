//go:build unix

package lease

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestBadStateDirIsRefusedWithReason tries each place that can never work.
func TestBadStateDirIsRefusedWithReason(t *testing.T) {
	cases := []struct {
		name, reason string
		lay          func(t *testing.T, dir string)
	}{
		{"owned by another user", "belongs to user 65534", func(t *testing.T, dir string) {
			sdktest.NeedRoot(t)
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chown(dir, 65534, -1))
		}},
		{"lock owned by another user", "belongs to user 65534", func(t *testing.T, dir string) {
			sdktest.NeedRoot(t)
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
			must(t, os.Chown(filepath.Join(dir, "lock"), 65534, -1))
		}},
		{"symbolic link", "symbolic link", func(t *testing.T, dir string) { must(t, os.Symlink(t.TempDir(), dir)) }},
		{"file", "not a directory", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) }},
		{"writable by others", "chmod 700", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chmod(dir, 0o777))
		}},
		{"missing parent", "does not exist", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Dir(dir))) }},
		{"parent is a file", "not a directory", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Dir(dir)))
			must(t, os.WriteFile(filepath.Dir(dir), nil, 0o600))
		}},
		{"lock is a symbolic link", "regular file", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Symlink("/dev/null", filepath.Join(dir, "lock")))
		}},
		{"lock is a directory", "regular file", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, "lock"), 0o700))
		}},
		{"lock is a pipe", "regular file", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, syscall.Mkfifo(filepath.Join(dir, "lock"), 0o600))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "work", "state")
			must(t, os.Mkdir(filepath.Dir(dir), 0o700))
			c.lay(t, dir)
			k := open(t, dir).Lock()
			for name, try := range map[string]func() error{
				"acquire": func() error { _, err := k.Acquire(within(t), claim("a")); return err },
				"await":   func() error { _, err := k.Await(within(t), claim("a")); return err },
			} {
				if err := try(); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), c.reason) {
					t.Errorf("%s: %v, want invalid because %q", name, err, c.reason)
				}
			}
		})
	}
}

// TestRecordThatIsNoFileIsReplaced lays a pipe and a link in the record's place:
// reading must not block, and the next announcement puts it right.
func TestRecordThatIsNoFileIsReplaced(t *testing.T) {
	for name, lay := range map[string]func(string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("/etc/passwd", path) },
	} {
		dir := filepath.Join(t.TempDir(), "state")
		must(t, os.Mkdir(dir, 0o700))
		must(t, lay(filepath.Join(dir, "record")))
		k := open(t, dir).Lock()
		if h, err := k.Inspect(within(t)); err != nil || h.Held || h.Record.Incarnation != "" {
			t.Errorf("%s: inspect %+v, %v", name, h, err)
		}
		c := claim("a")
		mustAnnounce(t, mustAcquire(t, k, c), c, 1)
		if h, err := k.Inspect(within(t)); err != nil || h.Record.Epoch != 1 {
			t.Errorf("%s: inspect %+v, %v; want the announced record", name, h, err)
		}
	}
}

func TestModesAndLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700))
	stale := filepath.Join(dir, "record.tmp-4194305-1") // above the largest process id
	must(t, os.WriteFile(stale, nil, 0o600))
	c := claim("a")
	l := mustAcquire(t, open(t, dir).Lock(), c)
	mustAnnounce(t, l, c, 1)
	must(t, l.Release(within(t)))
	for _, name := range []string{"lock", "record", "beat"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600 and still there", name, info, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "record.tmp*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
