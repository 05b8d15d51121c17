// Command transport-zmq serves package zmq as a plugin program.
package main

import (
	"github.com/ramet-io/ramet/plugins/transport-zmq/zmq"
	"github.com/ramet-io/ramet/sdk/remote"
)

func main() { remote.Serve(zmq.New()) }
