package systest

import (
	"os"

	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// modeEnv says how the tests, and the nodes they start, reach the plugins.
// "loopback": every argument, result and error crosses package wire, as it does
// between two processes.
const modeEnv = "RAMET_TEST_MODE"

// plugins returns what instances under test run on.
func plugins() []sdk.Plugin {
	all := bundled.All()
	if os.Getenv(modeEnv) == "loopback" {
		for n, p := range all {
			all[n] = sdktest.Loopback(p)
		}
	}
	return all
}
