package remote

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// wantsToRun reports whether a thread of the process is running or waits for a
// processor.
func wantsToRun(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The state follows the name, which is in parentheses and may hold any byte.
		if i := bytes.LastIndexByte(b, ')'); i >= 0 && len(b) > i+2 && b[i+2] == 'R' {
			return true
		}
	}
	return false
}
