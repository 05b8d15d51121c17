//go:build unix

package stream

import "syscall"

// attempt writes what fits into the socket without waiting. It has the form that
// [syscall.RawConn] wants: true means do not call again.
func (o *outbox) attempt(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), o.tryBuf)
		if err == syscall.EINTR {
			continue
		}
		o.tryN, o.tryErr = max(n, 0), err
		if err == syscall.EAGAIN {
			o.tryErr = nil
		}
		return true
	}
}
