package unix

import (
	"testing"

	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestPorts(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
	sdktest.Ports(t, New())
}

func TestTransportLoopback(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
	sdktest.Transport(t, sdktest.Loopback(New()))
}

func TestTransport(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
	sdktest.Transport(t, New())
}
