//go:build unix

package remote

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pairCarrier is one end of a socketpair. Nobody else can reach it, and its end is
// the end of the process on the other side.
type pairCarrier struct {
	conn *net.UnixConn
	raw  syscall.RawConn

	tryFn  func(fd uintptr) bool // attempt, made once: it would be an allocation per write
	tryBuf []byte                // these belong to who tries: one at a time
	tryN   int
	tryErr error
}

// socketpair returns our end, and the one to hand over.
func socketpair() (*pairCarrier, *os.File, error) {
	syscall.ForkLock.RLock() // or another goroutine's child could get both ends
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "carrier")
	ours, err := newPair(os.NewFile(uintptr(fds[0]), "carrier"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// inheritedPair returns the end that this process was started with.
func inheritedPair(fd int) (*pairCarrier, error) {
	unix.CloseOnExec(fd) // not for the plugin's own children
	return newPair(os.NewFile(uintptr(fd), "carrier"))
}

// newPair takes f over.
func newPair(f *os.File) (*pairCarrier, error) {
	defer f.Close() // FileConn has a descriptor of its own
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UnixConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	p := &pairCarrier{conn: conn, raw: raw}
	p.tryFn = p.attempt
	return p, nil
}

func (p *pairCarrier) Read(b []byte) (int, error) { return p.conn.Read(b) }

func (p *pairCarrier) try(b []byte) (int, error) {
	p.tryBuf, p.tryN, p.tryErr = b, 0, nil
	err := p.raw.Write(p.tryFn)
	p.tryBuf = nil
	if err == nil {
		err = p.tryErr
	}
	return p.tryN, err
}

// attempt writes what fits into the socket without waiting. It has the form that
// syscall.RawConn wants: true means do not call again.
func (p *pairCarrier) attempt(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), p.tryBuf)
		if err == syscall.EINTR {
			continue
		}
		p.tryN = max(n, 0)
		if err != syscall.EAGAIN {
			p.tryErr = err
		}
		return true
	}
}

func (p *pairCarrier) write(b []byte) error {
	_, err := p.conn.Write(b)
	return err
}

func (p *pairCarrier) close() { p.conn.Close() }

// interrupt implements interrupter.
func (p *pairCarrier) interrupt() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) }

// resume implements interrupter.
func (p *pairCarrier) resume() { _ = p.conn.SetReadDeadline(time.Time{}) }
