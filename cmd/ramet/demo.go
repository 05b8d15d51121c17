package main

import (
	"encoding/json"
	"io"
	"math/rand"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
)

// defaultThink is the longest pause between two writes of a node: a primary that
// always writes can hardly be stopped outside a transaction.
const defaultThink = 8 * time.Millisecond

func newDemo() *cobra.Command {
	o := demo.Options{Think: defaultThink}
	var unused workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "kill and stop the primary again and again, then check every row",
		Long: `Demo runs real processes over a fresh workspace, a writer in each. It kills the
primary with SIGKILL, stops it with SIGSTOP until another took over and resumes it,
then compares every row, and what each change feed showed, with what was
acknowledged. It exits with 1 if anything was lost, duplicated or damaged.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				o.Seed = rand.Int63()
			}
			if !asJSON {
				o.Out, o.Live = c.OutOrStdout(), terminal(c.OutOrStdout())
			}
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
	f.StringVar(&unused.log, "log", "off", "accepted for uniformity; nodes do not log")
	f.MarkHidden("log")
	f.IntVar(&o.Instances, "instances", 3, "processes")
	f.IntVar(&o.Kills, "kills", 5, "how often the primary is killed")
	f.IntVar(&o.Stops, "stops", 1, "how often the primary is stopped until another took over")
	f.DurationVar(&o.Duration, "duration", 15*time.Second, "how long they write, at least")
	f.Int64Var(&o.Seed, "seed", 0, "of all random choices (default: random, printed)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object and nothing else")
	return c
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
