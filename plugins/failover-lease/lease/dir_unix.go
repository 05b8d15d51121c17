//go:build unix

package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// isLoop: O_NOFOLLOW met a symbolic link.
func isLoop(err error) bool { return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) }

// checkOwner refuses a directory in which another user could replace our files.
func checkOwner(dir string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: state directory %s belongs to user %d, and this process runs as %d; run as its owner or use another directory",
			sdk.ErrInvalid, dir, st.Uid, os.Geteuid())
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("%w: state directory %s can be written by others (mode %04o); run chmod 700 on it", sdk.ErrInvalid, dir, perm)
	}
	return nil
}
