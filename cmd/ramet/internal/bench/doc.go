// Package bench measures with real processes what the targets are stated in: the
// write gap after a kill as a multiple of the floor F, the start of an instance,
// reads as a fraction of the bare driver's, and calls as a fraction of the bare
// library's or socket's. Everything a ratio is made of is
// measured in the same run, interleaved.
package bench

import (
	"os"
	"runtime"
	"strings"
)

// Machine says where it was measured.
type Machine struct {
	Cores  int    `json:"cores"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"` // release; "" if the system does not tell
	Go     string `json:"go"`
}

func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	return m
}
