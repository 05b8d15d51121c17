package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes makes the system kill the plugin when we die, whatever it is
// doing, also when it is stopped. Its own process group keeps the terminal's
// signals away: an interrupt is the kernel's to deal with.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// programFD is above every number that a child's descriptors get, so that setting
// them up cannot replace the program.
const programFD = 64

// executeOpened makes cmd execute the opened file itself, whatever its path names
// meanwhile. Close what it returns after the start.
func executeOpened(cmd *exec.Cmd, file *os.File) (io.Closer, error) {
	var magic [2]byte
	if n, _ := file.ReadAt(magic[:], 0); n == 2 && string(magic[:]) == "#!" {
		// The interpreter opens the script once more, so it inherits it.
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
		return io.NopCloser(nil), nil
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, programFD)
	if err != nil {
		return nil, err
	}
	cmd.Path = fmt.Sprintf("/proc/self/fd/%d", fd)
	return os.NewFile(uintptr(fd), file.Name()), nil
}

// replaced reports nothing: what was opened is what runs.
func (p Program) replaced(*os.File) error { return nil }

// isNoExec reports whether the system cannot run a file of this format.
func isNoExec(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
