// Command failover-lease serves package lease as a plugin program.
package main

import (
	"github.com/ramet-io/ramet/plugins/failover-lease/lease"
	"github.com/ramet-io/ramet/sdk/remote"
)

func main() { remote.Serve(lease.New()) }
