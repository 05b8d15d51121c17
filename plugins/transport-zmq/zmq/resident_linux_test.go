package zmq

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// resident returns this process's resident memory in bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("VmRSS:"))
	var kib int
	if _, err := fmt.Sscan(string(text), &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
