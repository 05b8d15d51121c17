// Package available names the plugins in this command. It links more than a program has
// to: see package bundled.
package available

import (
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/plugins/transport-zmq/zmq"
	"github.com/ramet-io/ramet/sdk"
)

// Plugins returns the bundled plugins, which are the default, and after them those that
// an assembly may name in the place of one.
func Plugins() []sdk.Plugin { return append(bundled.All(), zmq.New()) }
