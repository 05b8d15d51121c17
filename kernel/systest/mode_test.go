package systest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/plugins/transport-zmq/zmq"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// modeEnv says how the tests, and the nodes they start, reach the plugins.
// "loopback": every argument, result and error crosses package wire, as it does
// between two processes. "external": each plugin is a program of its own.
const modeEnv = "RAMET_TEST_MODE"

// transportEnv, if "zmq" or "zmq-tcp", puts transport-zmq in the place of
// transport-unix, on its sockets or on TCP.
const transportEnv = "RAMET_TEST_TRANSPORT"

// onTCP is transport-zmq on TCP; the tests give plugins no options.
type onTCP struct{ sdk.Plugin }

func (p onTCP) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	env.Options = []byte(`{"listen": "tcp"}`)
	return p.Plugin.Open(ctx, env)
}

// linked returns the plugins in this program that the tests run on.
func linked() []sdk.Plugin {
	all := bundled.All()
	for n, p := range all {
		if !p.Describe().Serves(sdk.StageTransport) {
			continue
		}
		switch os.Getenv(transportEnv) {
		case "zmq":
			all[n] = zmq.New()
		case "zmq-tcp":
			all[n] = onTCP{zmq.New()}
		}
	}
	return all
}

func external() bool { return os.Getenv(modeEnv) == "external" }

// pluginEnv makes the test binary run as the plugin program of that name.
const pluginEnv = "RAMET_SYSTEST_PLUGIN"

// servePlugin is the main of a plugin program.
func servePlugin(name string) int {
	for _, p := range append(bundled.All(), zmq.New()) {
		if p.Describe().Name == name {
			remote.Serve(p)
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "no plugin %q is linked in\n", name)
	return 2
}

// plugins returns what instances under test run on. What was launched and not
// opened ends with the test.
func plugins(t *testing.T) []sdk.Plugin {
	t.Helper()
	all, err := choose(os.Getenv(modeEnv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range all {
			if p, ok := p.(*remote.Plugin); ok {
				if err := p.Close(context.Background()); err != nil {
					t.Errorf("close plugin program: %v", err)
				}
			}
		}
	})
	return all
}

// choose returns the plugins as mode says.
func choose(mode string) ([]sdk.Plugin, error) {
	all := linked()
	for n, p := range all {
		switch mode {
		case "loopback":
			all[n] = sdktest.Loopback(p)
		case "external":
			launched, err := launch(p.Describe().Name)
			if err != nil {
				return nil, err
			}
			all[n] = launched
		}
	}
	return all, nil
}

// launch starts this binary as a plugin program. It is given what says where things
// lie, and nothing else.
func launch(name string) (*remote.Plugin, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := []string{pluginEnv + "=" + name}
	for _, key := range []string{"XDG_RUNTIME_DIR", "TMPDIR", "HOME", "PATH", "SystemRoot"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return remote.Launch(ctx, remote.Program{Name: name, Path: path, Env: env, StartTimeout: time.Minute})
}
