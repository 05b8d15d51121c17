package lease

import (
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/windows"
)

// lockFile is an open lock file. It is a bare handle and no *os.File on purpose:
// the garbage collector closes an *os.File that nobody refers to.
type lockFile struct{ h windows.Handle }

// lockOffset is where the locked byte lies: far behind the content, because
// Windows keeps others from reading what is locked.
const lockOffsetHigh = 1 << 30

func lockRange() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: lockOffsetHigh} }

// openLock opens path; a missing file is an error that matches fs.ErrNotExist,
// unless create. With exclusive, an existing one matches fs.ErrExist.
func openLock(path string, create, exclusive bool) (lockFile, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return lockFile{}, fmt.Errorf("%w: path %q: %v", sdk.ErrInvalid, path, err)
	}
	mode := uint32(windows.OPEN_EXISTING)
	if exclusive {
		mode = windows.CREATE_NEW
	} else if create {
		mode = windows.OPEN_ALWAYS
	}
	share := uint32(windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE)
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, share, nil, mode,
		windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	switch {
	case errors.Is(err, windows.ERROR_FILE_NOT_FOUND), errors.Is(err, windows.ERROR_PATH_NOT_FOUND), errors.Is(err, windows.ERROR_FILE_EXISTS):
		return lockFile{}, err
	case err != nil:
		return lockFile{}, fmt.Errorf("%w: open %s: %v", sdk.ErrUnavailable, path, err)
	}
	return lockFile{h}, nil
}

// tryLock locks without waiting; false: another has it.
func (f lockFile) tryLock() (bool, error) {
	err := windows.LockFileEx(f.h, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, lockRange())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: LockFileEx: %v", sdk.ErrUnavailable, err)
	}
	return true, nil
}

// at reports whether path still leads to this file.
func (f lockFile) at(path string) (bool, error) {
	there, err := openLock(path, false, false)
	if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer windows.CloseHandle(there.h)
	var a, b windows.ByHandleFileInformation
	if err := errors.Join(windows.GetFileInformationByHandle(f.h, &a), windows.GetFileInformationByHandle(there.h, &b)); err != nil {
		return false, fmt.Errorf("%w: stat %s: %v", sdk.ErrUnavailable, path, err)
	}
	return a.VolumeSerialNumber == b.VolumeSerialNumber && a.FileIndexHigh == b.FileIndexHigh && a.FileIndexLow == b.FileIndexLow, nil
}

// write replaces the content in place: the new text first, the old tail after.
func (f lockFile) write(b []byte) error {
	var n uint32
	if err := windows.WriteFile(f.h, b, &n, &windows.Overlapped{}); err != nil {
		return err
	}
	return windows.Ftruncate(f.h, int64(len(b)))
}

// close unlocks and closes.
func (f lockFile) close() error {
	_ = windows.UnlockFileEx(f.h, 0, 1, 0, lockRange()) // an error only says that it was not locked
	return windows.CloseHandle(f.h)
}
