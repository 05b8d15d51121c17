package lease

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives f its blocks before it is written. Else ext4 allocates them, and
// sends them to the disk, in the rename that replaces another file: 0.35 ms where
// 0.04 do. It is tried, not needed.
func reserve(f *os.File, n int) { _ = unix.Fallocate(int(f.Fd()), 0, 0, int64(n)) }
