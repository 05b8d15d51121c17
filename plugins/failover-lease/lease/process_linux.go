package lease

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

// A start time holds, from the top, 12 bits that name the boot, 12 bits that name
// the pid namespace, and clock ticks since boot, enough for 300 years. Process ids
// of another container mean nothing here, and those of an earlier boot are dead.
const (
	tickBits  = 40
	bootShift = tickBits + 12
	ticksMask = 1<<tickBits - 1
)

var domain = sync.OnceValue(func() uint64 {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	return hash12(string(boot))<<bootShift | hash12(namespace)<<tickBits
})

// hash12 gives 12 bits, never all zero.
func hash12(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s)
	return h.Sum64()>>52 | 1
}

// otherBoot reports whether r was written before this machine booted, or on
// another machine; on a local file system that is the same.
func otherBoot(r sdk.Record) bool {
	return r.StartTime != 0 && r.StartTime>>bootShift != domain()>>bootShift
}

// startTime returns the identity of a process; false if there is none, or only a
// zombie.
func startTime(pid int) (uint64, bool) {
	ticks, state, err := procStat(pid)
	return domain() | ticks, err == nil && !isDead(state)
}

func isDead(state byte) bool { return state == 'Z' || state == 'X' || state == 'x' }

// exiting is the kernel's PF_EXITING in the flags of a process. It is set before a
// dying process lets go of its files, so whoever gets its lock finds it; a process
// becomes a zombie only afterwards.
const exiting = 0x4

// alive reports on the process that r describes. A zombie is dead: its locks are
// gone, only its parent has not looked.
func alive(r sdk.Record) sdk.Liveness {
	if r.PID > 0 && otherBoot(r) {
		return sdk.Dead
	}
	if r.PID <= 0 || r.StartTime&^ticksMask != domain() {
		return sdk.LivenessUnknown
	}
	ticks, state, err := procStat(r.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return sdk.Dead
	case err != nil:
		return sdk.LivenessUnknown
	case isDead(state), ticks != r.StartTime&ticksMask:
		return sdk.Dead
	}
	return sdk.Alive
}

// procStat reads fields 3 (state) and 22 (start in clock ticks) of /proc/PID/stat;
// the state of one that is exiting, as its flags in field 9 say, is X. The name in
// field 2 may hold blanks and brackets, so it counts from the last one.
func procStat(pid int) (ticks uint64, state byte, err error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("stat of process %d has %d fields", pid, len(fields))
	}
	ticks, err = strconv.ParseUint(string(fields[19]), 10, 64)
	state = fields[0][0]
	if flags, ferr := strconv.ParseUint(string(fields[6]), 10, 64); ferr == nil && flags&exiting != 0 {
		state = 'X'
	}
	return ticks & ticksMask, state, err
}

func processExists(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }
