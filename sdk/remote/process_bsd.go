//go:build unix && !linux

package remote

import (
	"errors"
	"syscall"
)

// processAttributes gives the plugin its own process group, away from the
// terminal's signals. There is no death signal here: the end of the carrier and
// the plugin's look at its parent end it.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// isNoExec reports whether the system cannot run a file of this format.
func isNoExec(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
