//go:build unix

package sockfile

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

// runtimeDirs returns where a user's sockets belong, best first. The second is
// where the first usually points to: a process without the variable (cron, sudo)
// then agrees with those that have it.
func runtimeDirs() []string {
	var dirs []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); len(dir) > 0 && dir[0] == '/' {
		dirs = append(dirs, dir)
	}
	if runtime.GOOS == "linux" {
		dirs = append(dirs, "/run/user/"+strconv.Itoa(os.Getuid()))
	}
	return dirs
}

func tempName() string { return "ramet-" + strconv.Itoa(os.Getuid()) }

func checkOwner(dir string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%w: socket directory %s belongs to user %d, not to us (%d); remove it or set XDG_RUNTIME_DIR",
			sdk.ErrInvalid, dir, stat.Uid, os.Getuid())
	}
	if perm := info.Mode().Perm(); perm != 0o700 {
		return fmt.Errorf("%w: socket directory %s has mode %04o; run chmod 0700 on it", sdk.ErrInvalid, dir, perm)
	}
	return nil
}
