package remote

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// processAttributes gives the plugin its own process group, away from the console's
// interrupt.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// isNoExec reports whether the system cannot run a file of this format.
func isNoExec(err error) bool { return errors.Is(err, windows.ERROR_BAD_EXE_FORMAT) }
