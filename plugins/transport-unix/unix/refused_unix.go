//go:build unix

package unix

import (
	"errors"
	"syscall"
)

// isRefused reports whether nobody listens on a socket that exists.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
