//go:build !linux

package zmq

import (
	"runtime"
	"testing"
)

// resident returns the memory that Go took from the system.
func resident(*testing.T) int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys)
}
