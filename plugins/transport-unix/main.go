// Command transport-unix serves package unix as a plugin program.
package main

import (
	"github.com/ramet-io/ramet/plugins/transport-unix/unix"
	"github.com/ramet-io/ramet/sdk/remote"
)

func main() { remote.Serve(unix.New()) }
