//go:build unix

package kernel

import (
	"fmt"
	"io/fs"
	"syscall"
)

// owner returns the user id that owns a file.
func owner(info fs.FileInfo) (int, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// identity names a directory by device and inode, so that every path to it gives
// the same name.
func identity(_ string, info fs.FileInfo) string {
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%x-%x", uint64(st.Dev), uint64(st.Ino))
}
