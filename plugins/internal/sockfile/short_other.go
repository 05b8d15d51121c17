//go:build !linux

package sockfile

import (
	"fmt"
	"runtime"

	"github.com/ramet-io/ramet/sdk"
)

// shortDir returns a short path to dir.
func shortDir(dir string) (string, func(), error) {
	if runtime.GOOS == "windows" {
		return "", nil, fmt.Errorf("%w: socket directory %s is too long; set the option dir to a shorter one", sdk.ErrInvalid, dir)
	}
	return linkDir(dir, "/tmp")
}
