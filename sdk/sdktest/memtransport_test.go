package sdktest

import "testing"

func TestMemPorts(t *testing.T)     { Ports(t, MemTransport()) }
func TestMemTransport(t *testing.T) { Transport(t, MemTransport()) }

func TestMemTransportLoopback(t *testing.T) { Transport(t, Loopback(MemTransport())) }
