//go:build !windows

package demo

import "syscall"

// freeze and thaw stop a process and let it go on.
func (c *child) freeze() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }

func (c *child) thaw() error { return c.cmd.Process.Signal(syscall.SIGCONT) }
