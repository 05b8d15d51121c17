package zmq

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// configured is the plugin with options, for suites that give none.
type configured struct {
	sdk.Plugin
	options string
}

func (c configured) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	env.Options = []byte(c.options)
	return c.Plugin.Open(ctx, env)
}

// variants are the ways to listen.
func variants(t *testing.T, test func(t *testing.T, p sdk.Plugin)) {
	for _, listen := range []string{"ipc", "tcp", "ipc,tcp"} {
		t.Run(listen, func(t *testing.T) {
			t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
			test(t, configured{New(), `{"listen": "` + listen + `"}`})
		})
	}
}

func privateDir(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPorts(t *testing.T) { variants(t, sdktest.Ports) }

func TestTransport(t *testing.T) { variants(t, sdktest.Transport) }

func TestTransportLoopback(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", privateDir(t))
	sdktest.Transport(t, sdktest.Loopback(New()))
}
