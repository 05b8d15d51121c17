package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// canonical returns the path of the data file with symbolic links resolved. The
// file itself need not exist, its directory must.
func canonical(path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("%w: no path for the database; set OpenOptions.Path", sdk.ErrInvalid)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: %v", sdk.ErrInvalid, err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", fmt.Errorf("%w: the directory of the database does not exist: %v", sdk.ErrInvalid, err)
		}
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: %v", sdk.ErrInvalid, err)
	}
	return real, nil
}

// resourceKey names the database: its directory, however it is reached, and the
// file's name in it.
func resourceKey(path string) (string, error) {
	real, err := canonical(path)
	if err != nil {
		return "", err
	}
	dir, err := identify(filepath.Dir(real))
	if err != nil {
		return "", fmt.Errorf("%w: %v", sdk.ErrInvalid, err)
	}
	name := filepath.Base(real)
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		name = strings.ToLower(name) // their file systems ignore case by default
	}
	return "sqlite:" + dir.String() + ":" + name, nil
}

// fileID identifies a file or directory on this machine.
type fileID struct {
	device, node uint64
	links        uint64
}

// String returns device and node; links is not part of the identity.
func (f fileID) String() string { return fmt.Sprintf("%x:%x", f.device, f.node) }

// checkFile refuses what cannot be a database of ours. It opens nothing: opening
// and closing the file drops POSIX locks of this process.
// See https://www.sqlite.org/howtocorrupt.html, section 2.2.
func checkFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file; name a file for the database", sdk.ErrInvalid, path)
	}
	if info.Size() == 1 { // SQLite takes it for an empty one and would overwrite it
		return fmt.Errorf("%w: %s is not a SQLite database; it was left as it is, name another path", sdk.ErrCorrupt, path)
	}
	id, err := identify(path)
	if err != nil {
		return err
	}
	if id.links > 1 {
		return fmt.Errorf("%w: %s has %d hard links; a WAL belongs to one name only, so remove the others", sdk.ErrInvalid, path, id.links)
	}
	return nil
}

// createFile makes an empty database file that only its owner can read. SQLite
// gives -wal and -shm the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: create the database: %v", sdk.ErrInvalid, err)
	}
	return f.Close()
}

// dsn returns the URI by which the driver opens path. Only a URI is read for
// mode=ro: behind a plain name it would be dropped and the file opened for writing.
func dsn(path string, readOnly bool) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/x
	}
	u := url.URL{Scheme: "file", Path: p}
	mode := "rw" // never rwc: we create the file ourselves, with its mode
	if readOnly {
		mode = "ro"
	}
	return "file://" + u.EscapedPath() + "?mode=" + mode
}
