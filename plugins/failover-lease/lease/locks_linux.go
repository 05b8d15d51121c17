package lease

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// flockListed reports whether the system lists an flock on path. Looking there
// does not touch the lock, so it cannot make another's attempt fail. False is no
// proof: locks of other pid namespaces are not listed, and some file systems
// show another device number there.
func flockListed(path string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return false
	}
	raw, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false
	}
	id := fmt.Sprintf("%02x:%02x:%s", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), strconv.FormatUint(st.Ino, 10))
	for line := range bytes.Lines(raw) {
		// "1: FLOCK  ADVISORY  WRITE 8792 fe:00:9978053 0 EOF"; a waiter has "->".
		f := bytes.Fields(line)
		if len(f) >= 6 && string(f[1]) == "FLOCK" && string(f[5]) == id {
			return true
		}
	}
	return false
}
