package sockfile

import (
	"os"
	"path/filepath"
)

// maxAddress is the longest path that fits into a socket address on every system
// (Linux 107, macOS 103, Windows 107).
const maxAddress = 100

// withAddress calls use with a path that leads to the same socket as path and
// fits into a socket address. The system resolves it during the call only, so
// the detour is gone afterwards.
func withAddress(path string, use func(address string) error) error {
	if len(path) <= maxAddress {
		return use(path)
	}
	dir, done, err := shortDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer done()
	return use(filepath.Join(dir, filepath.Base(path)))
}

// linkDir makes dir reachable through a symbolic link in a short private
// directory.
func linkDir(dir, short string) (string, func(), error) {
	temp, err := os.MkdirTemp(short, "ramet")
	if err != nil {
		return "", nil, err
	}
	done := func() { _ = os.RemoveAll(temp) }
	link := filepath.Join(temp, "d")
	if err := os.Symlink(dir, link); err != nil {
		done()
		return "", nil, err
	}
	return link, done, nil
}
