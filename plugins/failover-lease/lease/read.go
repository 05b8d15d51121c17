package lease

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// errNotRegular: something that is no file of ours lies in its place.
var errNotRegular = errors.New("not a regular file")

// readQuiet reads a small regular file without changing it, not even its access
// time where the system lets us. It never blocks on a pipe laid in its place.
func readQuiet(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags|quietFlags, 0)
	if err != nil && quietFlags != 0 && os.IsPermission(err) {
		f, err = os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	}
	if isLoop(err) {
		return nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
