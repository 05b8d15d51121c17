package zmq

import (
	"fmt"
	"os"
)

// ephemeral returns the first and last port that the system gives to outgoing
// connections.
func ephemeral() (low, high int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if _, err = fmt.Sscan(string(text), &low, &high); err == nil {
			return low, high
		}
	}
	return 32768, 60999 // Linux's own default
}
