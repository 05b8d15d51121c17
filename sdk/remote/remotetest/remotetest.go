// Package remotetest runs tests against a plugin in a process of its own. It is for
// the tests of a plugin program's main package:
//
//	func TestMain(m *testing.M) { remotetest.Main(m, main) }
//
//	func TestStore(t *testing.T) { remotetest.Each(t, sdktest.Store) }
//
// The test binary runs itself as the program, so nothing has to be built first.
package remotetest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// asProgram makes the test binary run as the program.
const asProgram = "RAMET_TEST_AS_PROGRAM"

// Main runs the tests, or main if this process is the program.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Each runs test once over each carrier, against the program launched anew. It
// fails if goroutines are left over.
func Each(t *testing.T, test func(*testing.T, sdk.Plugin)) {
	t.Helper()
	for _, carrier := range []string{remote.CarrierSocketpair, remote.CarrierStream} {
		t.Run(carrier, func(t *testing.T) {
			sdktest.NoLeaks(t)
			test(t, Launch(t, carrier))
		})
	}
}

// Launch launches this test binary as the program and closes it with the test. The
// program gets the variables of this process that say where things lie.
func Launch(t testing.TB, carrier string) *remote.Plugin {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{asProgram + "=1"}
	for _, name := range []string{"XDG_RUNTIME_DIR", "TMPDIR", "HOME", "PATH", "SystemRoot", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := remote.Launch(ctx, remote.Program{Path: path, Env: env, Carrier: carrier})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}
