package lease

import (
	"os"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// identify fills in which process r describes: the caller's own if it did not
// say. The start time tells it from a later process with the same id.
func identify(r sdk.Record) sdk.Record {
	if r.PID == 0 {
		r.PID = os.Getpid()
	}
	start := startTime
	if r.PID == os.Getpid() {
		start = func(int) (uint64, bool) { return ownStart() }
	}
	if t, ok := start(r.PID); ok {
		r.StartTime = t
	}
	return r
}

var ownStart = sync.OnceValues(func() (uint64, bool) { return startTime(os.Getpid()) })

// alive reports on r's process. On a file system that several machines may share,
// another boot can also be another machine, of which nothing is known.
func (k *locker) alive(r sdk.Record) sdk.Liveness {
	if k.opts.allowUnsafe && otherBoot(r) {
		return sdk.LivenessUnknown
	}
	return alive(r)
}
