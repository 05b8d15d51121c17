package demo

import (
	"fmt"
	"syscall"

	"github.com/ramet-io/ramet/sdk"
)

func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func (c *child) freeze() error {
	return fmt.Errorf("%w: this system cannot stop a process", sdk.ErrUnsupported)
}

func (c *child) thaw() error { return c.freeze() }
