//go:build !linux

package lease

import "os"

// reserve has nothing to gain on this system.
func reserve(*os.File, int) {}
