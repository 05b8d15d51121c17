package lease

import (
	"errors"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

const stateZombie = 5 // SZOMB of sys/proc.h

// startTime returns when a process started, in microseconds; false if there is
// none, or only a zombie.
func startTime(pid int) (uint64, bool) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || p.Proc.P_stat == stateZombie {
		return 0, false
	}
	return started(p), true
}

func started(p *unix.KinfoProc) uint64 {
	t := p.Proc.P_starttime
	return uint64(t.Sec)*1_000_000 + uint64(t.Usec)
}

// alive reports on the process that r describes. A zombie is dead.
func alive(r sdk.Record) sdk.Liveness {
	if r.PID <= 0 || r.StartTime == 0 {
		return sdk.LivenessUnknown
	}
	if !processExists(r.PID) {
		return sdk.Dead
	}
	p, err := unix.SysctlKinfoProc("kern.proc.pid", r.PID)
	switch {
	case err != nil:
		return sdk.LivenessUnknown
	case p.Proc.P_stat == stateZombie, started(p) != r.StartTime:
		return sdk.Dead
	}
	return sdk.Alive
}

func processExists(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// otherBoot: start times of this system are absolute, so an earlier boot's process
// is told by its own.
func otherBoot(sdk.Record) bool { return false }
