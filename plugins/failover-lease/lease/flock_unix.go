//go:build unix

package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

// lockFile is an open lock file. It is a bare descriptor and no *os.File on
// purpose: the garbage collector closes an *os.File that nobody refers to, and
// the lock would be gone.
type lockFile struct{ fd int }

// openLock opens path; a missing file is an error that matches fs.ErrNotExist,
// unless create. With exclusive, an existing one matches fs.ErrExist.
func openLock(path string, create, exclusive bool) (lockFile, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if create {
		flags |= unix.O_CREAT
	}
	if exclusive {
		flags |= unix.O_EXCL
	}
	var fd int
	err := retryEINTR(func() (err error) { fd, err = unix.Open(path, flags, 0o600); return err })
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		return lockFile{}, err
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return lockFile{}, fmt.Errorf("%w: %s is not a regular file (%v); remove it", sdk.ErrInvalid, path, err)
	case err != nil:
		return lockFile{}, fmt.Errorf("%w: open %s: %v", sdk.ErrUnavailable, path, err)
	}
	f := lockFile{fd}
	if err := f.check(path); err != nil {
		_ = unix.Close(fd)
		return lockFile{}, err
	}
	return f, nil
}

// check refuses a file that somebody else could lock or replace.
func (f lockFile) check(path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return fmt.Errorf("%w: stat %s: %v", sdk.ErrUnavailable, path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%w: %s is not a regular file; remove it", sdk.ErrInvalid, path)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d, and this process runs as %d; run as its owner",
			sdk.ErrInvalid, path, st.Uid, os.Geteuid())
	}
	return nil
}

// tryLock locks without waiting; false: another has it.
func (f lockFile) tryLock() (bool, error) {
	err := retryEINTR(func() error { return unix.Flock(f.fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: flock: %v; the file system may not support locks", sdk.ErrUnavailable, err)
	}
	return true, nil
}

// at reports whether path still leads to this file.
func (f lockFile) at(path string) (bool, error) {
	var mine, there unix.Stat_t
	if err := unix.Fstat(f.fd, &mine); err != nil {
		return false, fmt.Errorf("%w: stat lock: %v", sdk.ErrUnavailable, err)
	}
	err := unix.Lstat(path, &there)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: stat %s: %v", sdk.ErrUnavailable, path, err)
	}
	return mine.Dev == there.Dev && mine.Ino == there.Ino, nil
}

// write replaces the content in place: the new text first, the old tail after.
func (f lockFile) write(b []byte) error {
	if _, err := unix.Pwrite(f.fd, b, 0); err != nil {
		return err
	}
	return unix.Ftruncate(f.fd, int64(len(b)))
}

// close unlocks and closes. It unlocks first, because a child between fork and
// exec still shares the open file.
func (f lockFile) close() error {
	return errors.Join(unix.Flock(f.fd, unix.LOCK_UN), unix.Close(f.fd))
}

func retryEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
