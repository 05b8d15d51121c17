//go:build unix

package remote

import (
	"fmt"
	"os"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

// permitted checks that nobody else may change the file or put another one in its
// place.
func (p Program) permitted(info os.FileInfo) error {
	if info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%w: plugin %s: %s is not executable; chmod +x it", sdk.ErrInvalid, p.Name, p.Path)
	}
	if err := p.ours(info, p.Path); err != nil {
		return err
	}
	dir, err := p.home()
	if err != nil {
		return fmt.Errorf("%w: plugin %s: %v", sdk.ErrInvalid, p.Name, err)
	}
	home, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%w: plugin %s: %v", sdk.ErrInvalid, p.Name, err)
	}
	return p.ours(home, dir)
}

func (p Program) ours(info os.FileInfo, path string) error {
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("%w: plugin %s: %s may be changed by others (mode %#o); chmod go-w it", sdk.ErrInvalid, p.Name, path, perm)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: plugin %s: %s belongs to user %d, not to this user or root; install it again", sdk.ErrInvalid, p.Name, path, st.Uid)
	}
	return nil
}
