package lease

import (
	"errors"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/windows"
)

const lookRights = windows.PROCESS_QUERY_LIMITED_INFORMATION | windows.SYNCHRONIZE

// startTime returns when a process started, in 100 ns; false if it ended.
func startTime(pid int) (uint64, bool) {
	t, ended, err := processTimes(pid)
	return t, err == nil && !ended
}

func processTimes(pid int) (started uint64, ended bool, err error) {
	h, err := windows.OpenProcess(lookRights, false, uint32(pid))
	if err != nil {
		return 0, false, err
	}
	defer windows.CloseHandle(h)
	var c, x, k, u windows.Filetime
	if err := windows.GetProcessTimes(h, &c, &x, &k, &u); err != nil {
		return 0, false, err
	}
	event, err := windows.WaitForSingleObject(h, 0)
	return uint64(c.HighDateTime)<<32 | uint64(c.LowDateTime), event == windows.WAIT_OBJECT_0, err
}

// alive reports on the process that r describes.
func alive(r sdk.Record) sdk.Liveness {
	if r.PID <= 0 || r.StartTime == 0 {
		return sdk.LivenessUnknown
	}
	t, ended, err := processTimes(r.PID)
	switch {
	case errors.Is(err, windows.ERROR_INVALID_PARAMETER):
		return sdk.Dead // no such process
	case err != nil:
		return sdk.LivenessUnknown
	case ended, t != r.StartTime:
		return sdk.Dead
	}
	return sdk.Alive
}

func processExists(pid int) bool {
	_, ended, err := processTimes(pid)
	return !ended && !errors.Is(err, windows.ERROR_INVALID_PARAMETER)
}

// otherBoot: start times of this system are absolute, so an earlier boot's process
// is told by its own.
func otherBoot(sdk.Record) bool { return false }
