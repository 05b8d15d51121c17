//go:build !linux

package remote

import (
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/ramet-io/ramet/sdk"
)

// executeOpened makes cmd execute the path: this system cannot execute an opened
// file. See replaced.
func executeOpened(cmd *exec.Cmd, _ *os.File) (io.Closer, error) {
	cmd.Path = cmd.Args[0]
	return io.NopCloser(nil), nil
}

// replaced reports, after the start, whether the path names another file than the
// one that was verified.
func (p Program) replaced(file *os.File) error {
	was, err := file.Stat()
	if err != nil {
		return err
	}
	is, err := os.Stat(p.Path)
	if err != nil || !os.SameFile(was, is) || was.ModTime() != is.ModTime() || was.Size() != is.Size() {
		return fmt.Errorf("%w: plugin %s: %s was replaced while it was started; try again", sdk.ErrCorrupt, p.Name, p.Path)
	}
	return nil
}
