//go:build !linux && !windows

package demo

import "syscall"

// apart keeps a Ctrl-C of the terminal from the nodes, because the director ends
// them itself. A node whose director was killed ends with its standard input.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
