// Package mono reads a clock that all processes of one machine share and that
// never jumps, so that moments seen by different processes can be compared.
package mono

import "time"

// Now returns the machine-wide monotonic time since an arbitrary moment, mostly
// the start of the machine. Where the system has no such clock it is the wall
// clock's, which may jump.
func Now() time.Duration { return now() }
