package sockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ramet-io/ramet/sdk"
)

// socketRoot returns the directory below which workspaces have theirs. It makes
// nothing. override, if not empty, is the only place looked at.
func socketRoot(override string) (string, error) {
	if override != "" {
		return override, privateOrMissing(override)
	}
	for _, dir := range runtimeDirs() {
		if checkPrivate(dir) == nil {
			root := filepath.Join(dir, "ramet")
			if privateOrMissing(root) == nil {
				return root, nil
			}
		}
	}
	temp, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", fmt.Errorf("%w: temporary directory %q: %v; set TMPDIR to an absolute path", sdk.ErrInvalid, os.TempDir(), err)
	}
	root := filepath.Join(temp, tempName())
	return root, privateOrMissing(root)
}

func privateOrMissing(dir string) error {
	err := checkPrivate(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// checkPrivate returns nil if dir is a real directory that only we can use,
// [fs.ErrNotExist] if there is nothing, and [sdk.ErrInvalid] otherwise: a socket
// in a directory of somebody else could be replaced by theirs.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return fmt.Errorf("%w: socket directory: %v", sdk.ErrInvalid, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: socket directory %s is a symbolic link; remove it", sdk.ErrInvalid, dir)
	case !info.IsDir():
		return fmt.Errorf("%w: socket directory %s is not a directory; remove it", sdk.ErrInvalid, dir)
	}
	return checkOwner(dir, info)
}

// makePrivate makes dir and what is missing above it, 0700, and checks dir.
func makePrivate(dir string) error {
	err := checkPrivate(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: make socket directory: %v; check the rights above it", sdk.ErrInvalid, err)
	}
	return checkPrivate(dir)
}
