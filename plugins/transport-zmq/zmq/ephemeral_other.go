//go:build !linux

package zmq

// ephemeral returns the first and last port that the system gives to outgoing
// connections: those that IANA set aside, as macOS and Windows do by default.
func ephemeral() (low, high int) { return 49152, 65535 }
