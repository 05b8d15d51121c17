package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

func newValidate() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "check an assembly file and show what it means",
		Long: `Validate reports everything that is wrong with FILE (default: the assembly, or else
ramet.hcl), or prints ok and which plugin serves which stage. It starts the programs
that FILE names and that its lock file trusts, to ask them for their options; "ramet
plugin verify" starts nothing. It touches no workspace.`,
		Args: exactly(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			file := w.chosen()
			if len(args) > 0 {
				file = args[0]
			}
			if err := present(file); err != nil {
				return err
			}
			return validate(c, file, asJSON)
		},
	}
	w.place(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// verdict is what validate prints as JSON.
type verdict struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Faults   []assembly.Fault `json:"faults"`
	Warnings []string         `json:"warnings"`
	Plugins  []assembly.Part  `json:"plugins"`
}

func validate(c *cobra.Command, file string, asJSON bool) error {
	v := verdict{File: file, OK: true, Faults: []assembly.Fault{}, Warnings: []string{}, Plugins: []assembly.Part{}}
	asm, err := assembly.Load(c.Context(), file, available.Plugins())
	var faults *assembly.Error
	if errors.As(err, &faults) {
		v.OK, v.Faults = false, faults.Faults
	} else if err != nil {
		return err
	} else {
		v.Plugins = asm.Parts()
		v.Warnings = append(v.Warnings, asm.Warnings()...)
		if err := asm.Close(); err != nil {
			return err
		}
	}
	if asJSON {
		return errors.Join(err, json.NewEncoder(c.OutOrStdout()).Encode(v))
	}
	if err != nil {
		return err
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "ramet: warning: %s\n", warning)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: ok\n", file)
	return printParts(c.OutOrStdout(), v.Plugins)
}

// printParts prints a table of stages.
func printParts(out io.Writer, parts []assembly.Part) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STAGE\tPLUGIN\tVERSION\tMODE\tSTATE\tPATH")
	row := func(stage sdk.Stage, p assembly.Part) {
		mode := kernel.ModeBundled
		if p.Path != "" {
			mode = kernel.ModeExternal
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", stage, p.Name, or(p.Version, "?"), mode, p.State, or(short(p.Path), "-"))
	}
	for _, s := range sdk.Stages() {
		for _, p := range parts {
			if slices.Contains(p.Stages, s) {
				row(s, p)
			}
		}
	}
	for _, p := range parts {
		if len(p.Stages) == 0 {
			row("?", p)
		}
	}
	return t.Flush()
}

// short returns path as seen from here if it lies below.
func short(path string) string {
	here, err := filepath.Abs(".")
	if err != nil || path == "" {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}
