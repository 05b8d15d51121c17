//go:build unix && !linux && !darwin

package lease

import (
	"errors"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

// startTime is not known on this system.
func startTime(int) (uint64, bool) { return 0, false }

// alive can only say that no such process exists: without a start time the id
// may be of a later process.
func alive(r sdk.Record) sdk.Liveness {
	if r.PID > 0 && !processExists(r.PID) {
		return sdk.Dead
	}
	return sdk.LivenessUnknown
}

func processExists(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// otherBoot is not known on this system.
func otherBoot(sdk.Record) bool { return false }
