package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// tree lists all files of dir with all their times.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&b, path, info.Mode(), st.Ino, st.Size, st.Mtim, st.Ctim)
		if !info.IsDir() {
			fmt.Fprintln(&b, "read at", st.Atim)
		}
		return nil
	}))
	return b.String()
}

func TestFilesystemsWhereLocksLie(t *testing.T) {
	for magic, name := range unsafeFilesystems {
		_, err := judgeFilesystem(magic, "/d", false)
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "allow_unsafe_filesystem") {
			t.Errorf("%s: %v, want invalid with name and option", name, err)
		}
		if note, err := judgeFilesystem(magic, "/d", true); err != nil || note == "" {
			t.Errorf("%s allowed: %q, %v; want a note", name, note, err)
		}
	}
	if note, err := judgeFilesystem(overlayMagic, "/d", false); err != nil || note == "" {
		t.Errorf("overlayfs: %q, %v; want a note", note, err)
	}
	if note, err := judgeFilesystem(0xef53, "/d", false); err != nil || note != "" {
		t.Errorf("ext4: %q, %v", note, err)
	}
}

// TestPowerCutLeavesNoPhantomPrimary: after a boot the old record must not make
// a standby wait for the beats of a process that cannot exist.
func TestPowerCutLeavesNoPhantomPrimary(t *testing.T) {
	r := identify(sdk.Record{})
	k, shared := &locker{}, &locker{opts: options{allowUnsafe: true}}
	if got := k.alive(r); got != sdk.Alive {
		t.Fatalf("own process: %d", got)
	}
	namespace, boot := r, r
	namespace.StartTime ^= 1 << (tickBits + 3)
	boot.StartTime ^= 1 << (bootShift + 3)
	for _, c := range []struct {
		name string
		k    *locker
		r    sdk.Record
		want sdk.Liveness
	}{
		{"another pid namespace", k, namespace, sdk.LivenessUnknown},
		{"an earlier boot", k, boot, sdk.Dead},
		{"an earlier boot or another machine", shared, boot, sdk.LivenessUnknown},
		{"no process named", k, sdk.Record{}, sdk.LivenessUnknown},
	} {
		if got := c.k.alive(c.r); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for raw, ok := range map[string]bool{
		``: true, ` {} `: true, `{"ttl":"300ms"}`: true, `{"allow_unsafe_filesystem":true}`: true,
		`{"ttl":"299ms"}`: false, `{"ttl":3}`: false, `{"ttl":"soon"}`: false, `{"tll":"3s"}`: false,
		`[]`: false, `{}{}`: false, `{`: false, `{"allow_unsafe_filesystem":"yes"}`: false,
	} {
		_, err := New().Open(context.Background(), sdk.Env{Workspace: sdk.Workspace{StateDir: "/d"}, Options: []byte(raw)})
		if ok != (err == nil) || !ok && !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %v, want ok %v", raw, err, ok)
		}
	}
}

func TestResumedLaptopEvictsNobody(t *testing.T) {
	j, err := watcher{ttl: defaultTTL}.Judge(context.Background(), sdk.Evidence{Missed: 100, Late: true, Probed: true, Process: sdk.Alive})
	if err != nil || j.Verdict != sdk.VerdictAlive {
		t.Errorf("%+v, %v; want alive", j, err)
	}
}

func TestInspectChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := open(t, dir).Lock()
	if _, err := k.Inspect(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("inspect made the state directory: %v", err)
	}
	c := claim("a")
	l := mustAcquire(t, k, c)
	mustAnnounce(t, l, c, 1)
	must(t, l.Renew(within(t)))
	before := tree(t, dir)
	for range 3 {
		if _, err := open(t, dir).Lock().Inspect(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("inspect changed\n%s\nto\n%s", before, after)
	}
}
