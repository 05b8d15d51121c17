package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

func newPluginInfo() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "info NAME|PATH",
		Short: "show what a plugin can do and its options",
		Long: `Info shows what a plugin says of itself: one of the assembly, a bundled one, or the
program at PATH (a name with a slash in it), which is started for that, whatever the
lock file says.`,
		Args: exactly(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			find := w.named
			if separated(args[0]) {
				find = asked
			}
			ctx, cancel, err := w.limit(c.Context())
			if err != nil {
				return err
			}
			defer cancel()
			info, err := find(ctx, c, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(jsonInfo(info))
			}
			return printInfo(c.OutOrStdout(), info)
		},
	}
	w.place(c)
	w.bound(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// named returns what a plugin of the assembly, or a bundled one, says of itself.
func (w *workspace) named(ctx context.Context, c *cobra.Command, name string) (sdk.Info, error) {
	plugins := available.Plugins()
	if w.file != "" {
		asm, err := w.load(ctx, c.ErrOrStderr())
		if err != nil {
			return sdk.Info{}, err
		}
		defer asm.Close()
		var cfg kernel.Config
		asm.Apply(&cfg)
		plugins = append(cfg.Plugins, plugins...)
	}
	var known []string
	for _, p := range plugins {
		info := p.Describe()
		if info.Name == name {
			return info, nil
		}
		known = append(known, info.Name)
	}
	return sdk.Info{}, fmt.Errorf("%w: no plugin %q; known are %s; give a program as a path, like ./%s",
		sdk.ErrInvalid, name, strings.Join(known, ", "), name)
}

// asked returns what the program at path says of itself.
func asked(ctx context.Context, _ *cobra.Command, path string) (sdk.Info, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return sdk.Info{}, err
	}
	p, err := remote.Launch(ctx, remote.Program{Path: full})
	if err != nil {
		return sdk.Info{}, err
	}
	return p.Describe(), errors.Join(p.Close(context.WithoutCancel(ctx)))
}

func printInfo(out io.Writer, info sdk.Info) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, or(value, "-")) }
	line("name", info.Name)
	line("version", info.Version)
	line("stages", joined(info.Stages))
	line("schemes", joined(info.Schemes))
	line("capabilities", joined(info.Capabilities))
	if len(info.Options) == 0 {
		line("options", "none")
		return t.Flush()
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t, "\nOPTION\tTYPE\tDEFAULT\tLEAST\tMEANING")
	for _, o := range info.Options {
		value := or(o.Default, "-")
		if o.Required {
			value = "required"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", o.Name, o.Type, value, or(o.Min, "-"), o.Doc)
	}
	return t.Flush()
}

func joined[T ~string](words []T) string {
	text := make([]string, len(words))
	for i, w := range words {
		text[i] = string(w)
	}
	return strings.Join(text, ", ")
}

// described is sdk.Info with stable names.
type described struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Stages       []sdk.Stage       `json:"stages"`
	Schemes      []string          `json:"schemes"`
	Capabilities []sdk.Capability  `json:"capabilities"`
	Options      []describedOption `json:"options"`
}

type describedOption struct {
	Name     string         `json:"name"`
	Type     sdk.OptionType `json:"type"`
	Required bool           `json:"required"`
	Default  string         `json:"default"`
	Min      string         `json:"min"`
	Doc      string         `json:"doc"`
}

func jsonInfo(info sdk.Info) described {
	d := described{Name: info.Name, Version: info.Version, Stages: info.Stages, Schemes: append([]string{}, info.Schemes...),
		Capabilities: append([]sdk.Capability{}, info.Capabilities...), Options: []describedOption{}}
	for _, o := range info.Options {
		d.Options = append(d.Options, describedOption{o.Name, o.Type, o.Required, o.Default, o.Min, o.Doc})
	}
	return d
}
