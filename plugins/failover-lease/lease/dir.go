package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ramet-io/ramet/sdk"
)

// prepareDir makes the state directory if it is missing and refuses one that
// cannot be trusted with a lock.
func prepareDir(dir string, allowUnsafe bool) (note string, err error) {
	err = os.Mkdir(dir, 0o700)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: state directory %s: the directory it should lie in does not exist; create that first", sdk.ErrInvalid, dir)
	case isNotDir(err):
		return "", fmt.Errorf("%w: state directory %s: a part of its path is not a directory", sdk.ErrInvalid, dir)
	default:
		return "", fmt.Errorf("%w: create state directory: %v", sdk.ErrUnavailable, err)
	}
	if err := checkDir(dir); err != nil {
		return "", err
	}
	return checkFilesystem(dir, allowUnsafe)
}

// checkDir refuses what is no directory of ours. A missing one gives an error
// that matches fs.ErrNotExist.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case isNotDir(err):
		return fmt.Errorf("%w: state directory %s: a part of its path is not a directory", sdk.ErrInvalid, dir)
	case err != nil:
		return fmt.Errorf("%w: state directory: %v", sdk.ErrUnavailable, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: state directory %s is a symbolic link; name the directory it leads to", sdk.ErrInvalid, dir)
	case !info.IsDir():
		return fmt.Errorf("%w: state directory %s is not a directory; remove it", sdk.ErrInvalid, dir)
	}
	return checkOwner(dir, info)
}
