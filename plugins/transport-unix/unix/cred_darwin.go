package unix

import (
	"net"

	sys "golang.org/x/sys/unix"
)

const credentialsKnown = true

// credentials asks the system who is at the other end of c: for a server who
// connected, for a client who listens.
func credentials(c *net.UnixConn) (uid, pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, 0, err
	}
	var cred *sys.Xucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = sys.GetsockoptXucred(int(fd), sys.SOL_LOCAL, sys.LOCAL_PEERCRED)
		if err == nil {
			pid, _ = sys.GetsockoptInt(int(fd), sys.SOL_LOCAL, sys.LOCAL_PEERPID)
		}
	}); e != nil {
		return -1, 0, e
	}
	if err != nil {
		return -1, 0, err
	}
	return int(cred.Uid), pid, nil
}
