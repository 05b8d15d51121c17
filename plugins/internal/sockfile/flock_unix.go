//go:build unix

package sockfile

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the exclusive lock of f, if it is free.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

const openNoFollow = syscall.O_NOFOLLOW
