package remote

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/ramet-io/ramet/sdk"
)

// socketRoom is how long the path of a socket may be on every system, less what
// go-plugin adds below our directory.
const socketRoom = 100 - len("/plugin-dir4294967295/plugin4294967295")

// socketDir makes a private directory for the control socket. A socket's path has
// a hundred bytes or so, and TMPDIR may be longer than that: then a shorter place
// is used. The directory is removed as soon as the connection stands, so a killed
// host leaves none behind.
func socketDir() (string, error) {
	var last error
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if base == "" || !filepath.IsAbs(base) || len(base)+len("/ramet-4294967295") > socketRoom {
			continue
		}
		dir, err := os.MkdirTemp(base, "ramet-") // 0700
		if err == nil {
			return dir, nil
		}
		last = err
	}
	return "", fmt.Errorf("%w: no place for a private socket directory: %v; set TMPDIR to a short path that can be written", sdk.ErrInvalid, last)
}
