package assembly

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// executable returns why the file at path could not be started; nil if it could.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return mayExecute(path, info)
}

// sum returns the SHA-256 of the file at path in hexadecimal.
func sum(path string) (string, error) {
	if err := executable(path); err != nil { // a pipe would block
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// trust refuses an assembly that names programs and could have been changed by
// somebody else: who writes the file chooses what runs as this user.
func (f *file) trust() {
	for _, path := range []string{f.path, f.lockPath, f.dir} {
		if path == f.lockPath && f.lock == nil {
			continue
		}
		if err := exposed(path); err != nil {
			f.add(Fault{File: f.path, What: "the assembly names programs, and others may change it", Cause: clean(err.Error()),
				Fix: "take the right away: chmod go-w " + filepath.Clean(path), err: err})
		}
	}
}
