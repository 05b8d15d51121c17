//go:build unix

package assembly

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const executableSuffix = ""

func mayExecute(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s has mode %04o: it is not executable", path, info.Mode().Perm())
	}
	return nil
}

// exposed returns how others could change what is at path; nil if they could not.
// In a directory with the sticky bit, like /tmp, they cannot replace our files.
func exposed(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to us (%d) or root", path, s.Uid, os.Geteuid())
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 && (!info.IsDir() || info.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("%s has mode %04o: others may write", path, perm)
	}
	return nil
}
