//go:build unix && !linux

package lease

import "golang.org/x/sys/unix"

const (
	openFlags  = unix.O_NOFOLLOW | unix.O_NONBLOCK
	quietFlags = 0
)
