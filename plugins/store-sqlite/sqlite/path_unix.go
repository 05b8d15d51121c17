//go:build unix

package sqlite

import (
	"fmt"
	"os"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

// identify returns what names the file for the system, without opening it.
func identify(path string) (fileID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileID{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, fmt.Errorf("%w: the system gives no inode for %s", sdk.ErrUnsupported, path)
	}
	return fileID{device: uint64(st.Dev), node: uint64(st.Ino), links: uint64(st.Nlink)}, nil
}
