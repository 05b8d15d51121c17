package systest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/sdk/sdktest"
)

// namespaceEnv names the test that runs in a mount namespace of its own.
const namespaceEnv = "RAMET_SYSTEST_NAMESPACE"

// ownMounts runs the calling test again in a process with its own mounts, which
// vanish with it. It returns true there; the test of the first process ends when
// it returns false. It needs no root, since a user may have a namespace where
// they are.
func ownMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) == t.Name() {
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatalf("make the mounts private: %v", err)
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=60s")
	// A directory for sockets of its own: the usual one may be of the root outside,
	// who is another user in here.
	cmd.Env = append(os.Environ(), namespaceEnv+"="+t.Name(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) { // not allowed, or none left
		sdktest.NotRun(t, "a mount namespace: root, or user namespaces (sysctl user.max_user_namespaces)")
	}
	if err != nil {
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
	return false
}

// mountTmpfs mounts an empty file system, in a test of ownMounts.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount tmpfs at %s: %v", dir, err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// readOnly makes a mount read-only, or writable again.
func readOnly(t *testing.T, dir string, on bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, ""); err != nil {
		t.Fatalf("remount %s: %v", dir, err)
	}
}
