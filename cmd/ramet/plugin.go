package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/sdk"
)

func newPlugin() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "list, describe, lock and verify plugins",
		Args:  noArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return c.Help()
		},
	}
	c.AddCommand(newPluginList(), newPluginInfo(), newPluginLock(), newPluginVerify())
	return c
}

func newPluginList() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "show which plugin serves which stage",
		Long: `List shows the plugins of the assembly (default: ramet.hcl if it is there, or else the
bundled ones), and whether their programs are the locked ones. It starts nothing, so
the version of a program is the one in the lock file.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if w.file != "" {
				if err := present(w.file); err != nil {
					return err
				}
			}
			parts, err := assembly.List(w.chosen(), available.Plugins())
			return errors.Join(err, showParts(c, parts, asJSON))
		},
	}
	w.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func showParts(c *cobra.Command, parts []assembly.Part, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(parts)
	}
	return printParts(c.OutOrStdout(), parts)
}

func newPluginLock() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "lock [NAME...]",
		Short: "trust the programs that are there now",
		Long: `Lock records version and SHA-256 of each program that the assembly names, or of those
named, for this platform. Entries of other platforms stay. To ask a program for its
version it starts it: lock only what you would run.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, names []string) error {
			file := w.chosen()
			if err := present(file); err != nil {
				return err
			}
			parts, err := assembly.Lock(c.Context(), file, available.Plugins(), names...)
			if err != nil {
				return err
			}
			return showParts(c, parts, asJSON)
		},
	}
	w.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func newPluginVerify() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "check the programs against the lock file",
		Long: `Verify checks that each program of the assembly could be started: that it is there, that
nobody else may change it, and that it is the one in the lock file. It starts nothing.
It exits with 2 if one would be refused.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			file := w.chosen()
			if err := present(file); err != nil {
				return err
			}
			parts, err := assembly.List(file, available.Plugins())
			if err = errors.Join(err, showParts(c, parts, asJSON)); err != nil {
				return err
			}
			var refused []string
			for _, p := range parts {
				if p.Refused() {
					refused = append(refused, fmt.Sprintf("plugin %s is %s: %s", p.Name, p.State, p.Reason))
				}
			}
			if len(refused) > 0 {
				return fmt.Errorf("%w: %s", sdk.ErrInvalid, strings.Join(refused, "; "))
			}
			return nil
		},
	}
	w.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

// separated reports whether text is a path and not a name.
func separated(text string) bool {
	return strings.ContainsRune(text, '/') || strings.ContainsRune(text, os.PathSeparator)
}
