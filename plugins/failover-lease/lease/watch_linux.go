package lease

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

// processWatch waits for the end of one process, by a pidfd in Go's own poller:
// no thread is parked, and a wait ends at once with its context.
type processWatch struct {
	f  *os.File
	rc syscall.RawConn
}

// watchProcess returns nil if r's process cannot be watched: it is gone, or the
// system (before Linux 5.3, some sandboxes) has no pidfd. Then one polls.
func watchProcess(r sdk.Record) *processWatch {
	if r.PID <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return nil
	}
	// Looked at after opening: from here on the descriptor cannot mean a later
	// process with the same id.
	if alive(r) != sdk.Alive || unix.SetNonblock(fd, true) != nil {
		_ = unix.Close(fd)
		return nil
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	rc, err := f.SyscallConn()
	if err != nil || f.SetReadDeadline(time.Time{}) != nil {
		_ = f.Close()
		return nil
	}
	return &processWatch{f, rc}
}

// wait blocks until the process ended (true), d passed or ctx ended (false).
func (w *processWatch) wait(ctx context.Context, d time.Duration) bool {
	// The deadline first, so that it cannot overwrite the one that cancels.
	_ = w.f.SetReadDeadline(time.Now().Add(d))
	stop := context.AfterFunc(ctx, func() { _ = w.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := w.rc.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n > 0
	})
	return err == nil
}

func (w *processWatch) close() { _ = w.f.Close() }

// nap sleeps for well below a millisecond. Go's timers round up to one when the
// process is idle, which would be most of a failover.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // early after a signal: one more try does no harm
}
