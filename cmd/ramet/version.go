package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	sqlite3 "modernc.org/sqlite/lib"
)

// version returns the version of this program as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "print the versions of this program and of what is linked in",
		Args:  exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			modules := linked()
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
					"ramet": version(), "go": runtime.Version(), "sqlite": sqlite3.SQLITE_VERSION,
					"os": runtime.GOOS, "arch": runtime.GOARCH, "modules": modules,
				})
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "ramet %s\n%s %s/%s\nSQLite %s\n", version(), runtime.Version(),
				runtime.GOOS, runtime.GOARCH, sqlite3.SQLITE_VERSION)
			for _, m := range modules {
				fmt.Fprintf(out, "%s %s\n", m.Path, m.Version)
			}
			return nil
		},
	}
	var unused workspace // every command takes --workdir
	unused.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// linked returns the modules in this program.
func linked() []module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	list := make([]module, 0, len(info.Deps))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, module{m.Path, m.Version})
	}
	return list
}
