package zmq

import (
	"errors"

	"golang.org/x/sys/windows"
)

// inUse reports whether somebody has the port, or has it to itself.
func inUse(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES)
}
