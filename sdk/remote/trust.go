package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

// Verify checks the program as [Launch] does before it starts it, with the same
// errors, and starts nothing. It reads the whole file if SHA256 is set.
func (p Program) Verify() error {
	if p.Name == "" {
		p.Name = filepath.Base(p.Path)
	}
	file, err := p.verify()
	if err != nil {
		return err
	}
	return file.Close()
}

// verify opens the program, checks who may change it and what it hashes to, and
// returns the opened file, which is the one to execute.
func (p Program) verify() (*os.File, error) {
	if !filepath.IsAbs(p.Path) {
		return nil, fmt.Errorf("%w: plugin %s: program %q is not an absolute path; give one", sdk.ErrInvalid, p.Name, p.Path)
	}
	file, err := os.OpenFile(p.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not block
	if err != nil {
		return nil, p.openError(err)
	}
	if err := p.check(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (p Program) openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: plugin %s: there is no program at %s; install it or correct the path", sdk.ErrInvalid, p.Name, p.Path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: plugin %s: %s may not be read by this user; correct its permissions", sdk.ErrInvalid, p.Name, p.Path)
	}
	return fmt.Errorf("%w: plugin %s: open %s: %v", sdk.ErrInvalid, p.Name, p.Path, err)
}

func (p Program) check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%w: plugin %s: %v", sdk.ErrInvalid, p.Name, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: plugin %s: %s is not a regular file; name the program itself", sdk.ErrInvalid, p.Name, p.Path)
	}
	if err := p.permitted(info); err != nil {
		return err
	}
	if p.SHA256 == nil {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, info.Size())); err != nil {
		return fmt.Errorf("%w: plugin %s: read %s: %v", sdk.ErrInvalid, p.Name, p.Path, err)
	}
	if got := sum.Sum(nil); !bytes.Equal(got, p.SHA256) {
		return fmt.Errorf("%w: plugin %s: %s has SHA-256 %s, expected %s; it was changed since it was locked: restore it, or lock the new one",
			sdk.ErrCorrupt, p.Name, p.Path, hex.EncodeToString(got), hex.EncodeToString(p.SHA256))
	}
	return nil
}

// home returns the directory that the program really lies in.
func (p Program) home() (string, error) {
	real, err := filepath.EvalSymlinks(p.Path)
	if err != nil {
		return "", err
	}
	return filepath.Dir(real), nil
}
