package lease

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ramet-io/ramet/sdk"
)

// replaceLimit bounds how often a lock file that vanishes between opening and
// locking is opened again.
const replaceLimit = 16

// lockPath tries to lock the file at the lock's path; false: another has it.
func (k *locker) lockPath() (lockFile, bool, error) {
	for range replaceLimit {
		f, err := openLock(k.path, false, false)
		if errors.Is(err, fs.ErrNotExist) {
			// Somebody may have removed the file of a living primary, which still
			// holds it and makes it anew at its next Renew. See
			// TestLockFileDeletedUnderLivePrimary.
			if r, err := readEntry(k.record); err == nil && r.serves() && k.alive(r.Record) == sdk.Alive {
				return lockFile{}, false, nil
			}
			f, err = openLock(k.path, true, false)
		}
		if err != nil {
			return lockFile{}, false, kinded(err, k.path)
		}
		ok, again, err := f.lockAt(k.path)
		if !again {
			return f, ok, err
		}
	}
	return lockFile{}, false, fmt.Errorf("%w: %s is replaced all the time; find out what removes it", sdk.ErrUnavailable, k.path)
}

// lockAt locks f if path still leads to it; f is closed unless ok. again: the
// path leads elsewhere now, so a lock on f means nothing.
func (f lockFile) lockAt(path string) (ok, again bool, err error) {
	ok, err = f.tryLock()
	if err != nil || !ok {
		return false, false, errors.Join(err, f.close())
	}
	same, err := f.at(path)
	if err != nil || !same {
		return false, err == nil, errors.Join(err, f.close())
	}
	return true, false, nil
}

// relockPath is lockPath for somebody who holds the lock on a file that was
// removed, or who serves without it: the record names itself, so a missing file
// is made at once.
func (k *locker) relockPath() (lockFile, bool, error) {
	f, err := openLock(k.path, true, true)
	if errors.Is(err, fs.ErrExist) {
		f, err = openLock(k.path, false, false)
	}
	if err != nil {
		return lockFile{}, false, kinded(err, k.path)
	}
	ok, again, err := f.lockAt(k.path)
	return f, ok && !again, err
}

// kinded makes an error of the closed set of a bare one.
func kinded(err error, path string) error {
	if sdk.CodeOf(err) != 0 {
		return err
	}
	return fmt.Errorf("%w: open %s: %v", sdk.ErrUnavailable, path, err)
}

func closeFile(f *lockFile) error {
	if f == nil {
		return nil
	}
	return f.close()
}
