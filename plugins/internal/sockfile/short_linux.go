package sockfile

import (
	"io/fs"
	"os"
	"strconv"

	sys "golang.org/x/sys/unix"
)

// shortDir returns a short path to dir: the magic link of an open descriptor, or
// a symbolic link where /proc is not mounted.
func shortDir(dir string) (string, func(), error) {
	fd, err := sys.Open(dir, sys.O_PATH|sys.O_DIRECTORY|sys.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	done := func() { _ = sys.Close(fd) }
	short := "/proc/self/fd/" + strconv.Itoa(fd)
	if _, err := os.Stat(short); err == nil {
		return short, done, nil
	}
	done()
	return linkDir(dir, "/tmp")
}
