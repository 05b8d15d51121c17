// Command store-sqlite serves package sqlite as a plugin program.
package main

import (
	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk/remote"
)

func main() { remote.Serve(sqlite.New()) }
