//go:build unix && !linux

package systest

import "syscall"

// dieWithParent has no way here but the end of the node's standard input.
func dieWithParent() *syscall.SysProcAttr { return nil }
