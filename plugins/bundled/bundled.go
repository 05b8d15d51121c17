// Package bundled names the plugins that are linked into a program. It is the one
// place that does: a program which wants others builds its own slice. One plugin serves
// each stage; an alternative such as package zmq of transport-zmq, which brings a
// library of its own, is linked in by who appends it to All for an assembly to name.
package bundled

import (
	"github.com/ramet-io/ramet/plugins/failover-lease/lease"
	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/plugins/transport-unix/unix"
	"github.com/ramet-io/ramet/sdk"
)

// All returns a plugin for each stage: unix sockets (ports, transport), a lease on
// a file (lock, watcher) and SQLite (store). The slice belongs to the caller; each
// call returns new plugins.
func All() []sdk.Plugin {
	return []sdk.Plugin{unix.New(), lease.New(), sqlite.New()}
}
