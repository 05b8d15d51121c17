package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
	"github.com/ramet-io/ramet/plugins/bundled"
)

// defaultThink is the longest pause between two writes of a node: a primary that
// always writes can hardly be stopped outside a transaction.
const defaultThink = 8 * time.Millisecond

func newDemo() *cobra.Command {
	o := demo.Options{Think: defaultThink}
	var w workspace
	var asJSON, external bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "kill and stop the primary again and again, then check every row",
		Long: `Demo runs real processes over a fresh workspace, a writer in each. It kills the
primary with SIGKILL, stops it with SIGSTOP until another took over and resumes it,
then compares every row, and what each change feed showed, with what was
acknowledged. It exits with 1 if anything was lost, duplicated or damaged.

With --external every stage of every node is a program of its own, and with an
--assembly those that it says; such programs are killed as well, on any node.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				o.Seed = rand.Int63()
			}
			if !asJSON {
				o.Out, o.Live = c.OutOrStdout(), terminal(c.OutOrStdout())
			}
			remove, err := plugins(c, &w, external, &o)
			if err != nil {
				return err
			}
			defer remove()
			result, err := demo.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(result)
			} else {
				err = result.Print(c.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return result.Err()
		},
	}
	f := c.Flags()
	f.StringVar(&o.Workdir, "workdir", "", "a fresh directory, kept afterwards (default: a temporary one, removed)")
	w.externally(c, &external)
	f.IntVar(&o.PluginKills, "plugin-kills", 0, "how often a plugin program is killed (default: 5 if there are any, or else 0)")
	f.StringVar(&w.log, "log", "off", "accepted for uniformity; nodes do not log")
	f.MarkHidden("log")
	f.IntVar(&o.Instances, "instances", 3, "processes")
	f.IntVar(&o.Kills, "kills", 5, "how often the primary is killed")
	f.IntVar(&o.Stops, "stops", 1, "how often the primary is stopped until another took over")
	f.DurationVar(&o.Duration, "duration", 15*time.Second, "how long they write, at least")
	f.Int64Var(&o.Seed, "seed", 0, "of all random choices (default: random, printed)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object and nothing else")
	return c
}

// defaultPluginKills is for nodes with plugin programs.
const defaultPluginKills = 5

// plugins puts the assembly of the nodes and how often their plugins are killed into
// o. What it wrote for that is gone after remove.
func plugins(c *cobra.Command, w *workspace, external bool, o *demo.Options) (remove func(), err error) {
	if remove, err = w.temporary(c, external); err != nil {
		return nil, err
	}
	parts, err := assembly.List(w.file, available.Plugins())
	programs := slices.ContainsFunc(parts, func(p assembly.Part) bool { return p.Path != "" })
	switch {
	case err != nil:
	case !c.Flags().Changed("plugin-kills") && programs:
		o.PluginKills = defaultPluginKills
	case o.PluginKills > 0 && !programs:
		err = usage(c, fmt.Errorf("--plugin-kills is %d, but the plugins are linked in; add --external", o.PluginKills))
	}
	if err != nil {
		remove()
		return nil, err
	}
	o.Assembly = w.file
	return remove, nil
}

// externally adds the flags of commands that run instances of their own.
func (w *workspace) externally(c *cobra.Command, external *bool) {
	w.assembly(c)
	c.Flags().BoolVar(external, "external", false, "every stage is a program: those in plugins beside this program")
}

// temporary makes the assembly that external means, for as long as the command
// runs, or checks that the one named is there.
func (w *workspace) temporary(c *cobra.Command, external bool) (remove func(), err error) {
	remove = func() {}
	switch {
	case external && c.Flags().Changed("assembly"):
		return nil, usage(c, errors.New("--external and --assembly exclude each other"))
	case external:
		w.file, remove, err = externalAssembly(c)
	case w.file != "":
		err = present(w.file)
	}
	if err != nil {
		return nil, err
	}
	return remove, nil
}

// externalAssembly writes an assembly of the programs beside this one, with a budget
// of restarts that no demonstration uses up, and its lock.
func externalAssembly(c *cobra.Command) (file string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "ramet-demo-")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	file = filepath.Join(dir, defaultAssembly+".json")
	programs, err := programDir("", file)
	if err != nil {
		return "", nil, err
	}
	blocks := map[string]any{}
	for _, p := range bundled.All() {
		name := p.Describe().Name
		blocks[name] = map[string]any{"path": filepath.Join(programs, name), "restart": map[string]int{"max": 1000}}
	}
	text, err := json.Marshal(map[string]any{"plugin": blocks})
	if err != nil {
		return "", nil, err
	}
	if err := create(file, text, false); err != nil {
		return "", nil, err
	}
	if _, err := assembly.Lock(c.Context(), file, available.Plugins()); err != nil {
		return "", nil, err
	}
	return file, func() { os.RemoveAll(dir) }, nil
}

// newDemoNode is what demo runs this program as.
func newDemoNode() *cobra.Command {
	var o demo.NodeOptions
	c := &cobra.Command{
		Use:    "demo-node",
		Hidden: true,
		Args:   exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.RunNode(c.Context(), o, c.InOrStdin(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.Workdir, "workdir", "", "")
	f.StringVar(&o.Assembly, "assembly", "", "")
	f.StringVar(&o.Name, "name", "", "")
	f.DurationVar(&o.TTL, "ttl", 0, "")
	f.DurationVar(&o.Think, "think", 0, "")
	f.Int64Var(&o.Seed, "seed", 0, "")
	return c
}

// terminal reports whether out is one that understands cursor movements.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
