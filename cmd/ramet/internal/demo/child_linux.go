package demo

import "syscall"

// apart keeps a Ctrl-C of the terminal from the nodes, because the director ends
// them itself, and lets none outlive a killed director.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
