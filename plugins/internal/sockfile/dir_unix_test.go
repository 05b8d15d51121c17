//go:build unix

package sockfile

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestSocketDirectoryMustBePrivate(t *testing.T) {
	base := privateDir(t)
	open, link, file := filepath.Join(base, "open"), filepath.Join(base, "link"), filepath.Join(base, "file")
	for _, err := range []error{
		os.Mkdir(open, 0o700), os.Chmod(open, 0o755), os.Symlink(privateDir(t), link), os.WriteFile(file, nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{open, link, file} {
		if err := privateOrMissing(dir); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %v", dir, err)
		}
		if _, err := Listen(t.Context(), filepath.Join(dir, "s0"), nobody); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("Listen in %s: %v", dir, err)
		}
	}
	if err := privateOrMissing(filepath.Join(base, "missing")); err != nil {
		t.Errorf("missing: %v", err)
	}
}

func TestBadRuntimeDirectoryIsPassedOver(t *testing.T) {
	shared := privateDir(t)
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", shared)
	root, err := socketRoot("")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(root) == shared {
		t.Errorf("chose %s, which others can read", root)
	}
}

func TestCandidatesMakeNothing(t *testing.T) {
	dir := privateDir(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if _, err := Candidates("unix", "s", "", "k"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("made %v, %v", entries, err)
	}
}

func TestFileOnThePathIsKept(t *testing.T) {
	path := filepath.Join(privateDir(t), "s0")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path, nobody); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("Listen: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
		t.Errorf("the file: %q, %v", got, err)
	}
}

func TestLeftoverOfADeadServerIsReplaced(t *testing.T) {
	path := filepath.Join(privateDir(t), "s0")
	dead, err := bind(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close() // leaves the file
	l, err := Listen(t.Context(), path, nobody)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	l.Unbind()
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "s*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnbindLeavesASocketThatIsNotOurs(t *testing.T) {
	path := filepath.Join(privateDir(t), "s0")
	l, err := Listen(t.Context(), path, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stranger, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	l.Unbind()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the stranger's socket: %v", err)
	}
}

func TestForeignProgramOnThePathIsHeld(t *testing.T) {
	path := filepath.Join(privateDir(t), "s0")
	stranger, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	var held *sdk.HeldError
	if _, err := Listen(t.Context(), path, nobody); !errors.As(err, &held) || held.What != path {
		t.Errorf("Listen: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the stranger's socket is gone: %v", err)
	}
}

func TestEndpointsThereAndBack(t *testing.T) {
	for _, path := range []string{"/a/b", "/with space/%41?x#y", "/ünï/s0"} {
		if got, err := Path("unix", Endpoint("unix", path)); err != nil || got != path {
			t.Errorf("%q became %q, %v", path, got, err)
		}
	}
	for _, bad := range []sdk.Endpoint{"", "unix:", "unix://host/p", "tcp://127.0.0.1:1", "unix:rel", "%"} {
		if got, err := Path("unix", bad); err == nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
}

func nobody(net.Conn) sdk.Record { return sdk.Record{} }

func privateDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
