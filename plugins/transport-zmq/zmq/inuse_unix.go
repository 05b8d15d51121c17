//go:build unix

package zmq

import (
	"errors"
	"syscall"
)

// inUse reports whether somebody has the port.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
