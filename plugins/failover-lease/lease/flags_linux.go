package lease

import "golang.org/x/sys/unix"

const (
	openFlags  = unix.O_NOFOLLOW | unix.O_NONBLOCK
	quietFlags = unix.O_NOATIME
)
