package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"time"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/cmd/ramet/internal/bench"
	"github.com/ramet-io/ramet/sdk/remote"
)

// figures is what a benchmark gives.
type figures interface {
	Print(io.Writer) error
	Err() error // what was wrong with what was measured; nil: nothing
}

func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "measure failover, start, reads and the process boundary on this machine",
		Args:  exactly(0, 0),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBenchFailover(), newBenchStart(), newBenchRead(), newBenchRemote(), newBenchTransport())
	return c
}

func newBenchFailover() *cobra.Command {
	var kills, instances int
	var seed int64
	var w workspace
	var external bool
	c := benchCommand("failover", "the write gap after SIGKILL, as a multiple of F",
		func(c *cobra.Command, dir string, verbose bool) (figures, error) {
			if kills < 1 {
				return nil, usage(c, fmt.Errorf("--kills is %d; use 1 or more", kills))
			}
			if !c.Flags().Changed("seed") {
				seed = rand.Int63()
			}
			progress := io.Discard
			if verbose {
				progress = c.ErrOrStderr()
			}
			remove, err := w.temporary(c, external)
			if err != nil {
				return nil, err
			}
			defer remove()
			return bench.RunFailover(c.Context(), dir, w.file, instances, kills, seed, progress)
		})
	w.externally(c, &external)
	c.Flags().IntVar(&kills, "kills", 200, "how often the primary is killed")
	c.Flags().IntVar(&instances, "instances", 3, "processes")
	c.Flags().Int64Var(&seed, "seed", 0, "of all random choices (default: random)")
	return c
}

func newBenchStart() *cobra.Command {
	var runs int
	var w workspace
	var external bool
	c := benchCommand("start", "Bootstrap of a workspace that was used before",
		func(c *cobra.Command, dir string, _ bool) (figures, error) {
			if runs < 1 {
				return nil, usage(c, fmt.Errorf("--runs is %d; use 1 or more", runs))
			}
			remove, err := w.temporary(c, external)
			if err != nil {
				return nil, err
			}
			defer remove()
			return bench.RunStart(c.Context(), dir, w.file, runs)
		})
	w.externally(c, &external)
	c.Flags().IntVar(&runs, "runs", 50, "starts on each role")
	return c
}

func newBenchRead() *cobra.Command {
	var reads int
	c := benchCommand("read", "point reads on each role against the bare driver",
		func(c *cobra.Command, dir string, _ bool) (figures, error) {
			if reads < 1 {
				return nil, usage(c, fmt.Errorf("--reads is %d; use 1 or more", reads))
			}
			return bench.RunRead(c.Context(), dir, reads, rand.Int63())
		})
	c.Flags().IntVar(&reads, "reads", 20_000, "reads of each kind")
	return c
}

func newBenchRemote() *cobra.Command {
	var rounds, launches int
	c := benchCommand("remote", "what a plugin in its own process costs, beside a bare Unix socket",
		func(c *cobra.Command, dir string, _ bool) (figures, error) {
			if rounds < 1 || launches < 1 {
				return nil, usage(c, fmt.Errorf("--rounds and --launches must be 1 or more"))
			}
			return bench.RunRemote(c.Context(), dir, rounds, launches)
		})
	c.Flags().IntVar(&rounds, "rounds", 20_000, "round trips of each kind")
	c.Flags().IntVar(&launches, "launches", 50, "launches without and with TLS, and killed hosts")
	return c
}

func newBenchTransport() *cobra.Command {
	var rounds int
	var span time.Duration
	c := benchCommand("transport", "calls and events on each transport, beside the bare ZeroMQ library",
		func(c *cobra.Command, dir string, _ bool) (figures, error) {
			if rounds < 1 || span <= 0 {
				return nil, usage(c, fmt.Errorf("--rounds must be 1 or more and --span more than 0"))
			}
			return bench.RunTransport(c.Context(), dir, rounds, span)
		})
	c.Flags().IntVar(&rounds, "rounds", 10_000, "calls of each kind")
	c.Flags().DurationVar(&span, "span", 500*time.Millisecond, "how long events are published at each rate")
	return c
}

// benchCommand is what the benchmarks have in common. They use temporary
// workspaces of their own, below --workdir if it is given.
func benchCommand(use, short string, run func(c *cobra.Command, dir string, verbose bool) (figures, error)) *cobra.Command {
	var asJSON, verbose bool
	var dir string
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := run(c, dir, verbose)
			if err != nil {
				return err
			}
			print := f.Print
			if asJSON {
				print = func(w io.Writer) error { return json.NewEncoder(w).Encode(f) }
			}
			if err := print(c.OutOrStdout()); err != nil {
				return err
			}
			return f.Err()
		},
	}
	c.Flags().StringVar(&dir, "workdir", "", "where to make the temporary workspace (default: the system's place)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	c.Flags().BoolVar(&verbose, "verbose", false, "print to stderr what happens")
	return c
}

// newRemoteNodes are what bench remote runs this program as.
func newRemoteNodes() []*cobra.Command {
	hidden := func(use string, args int, run func(*cobra.Command, []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Hidden: true, Args: exactly(args, args), RunE: run}
	}
	return []*cobra.Command{
		hidden("transport-node", 2, func(c *cobra.Command, args []string) error {
			return bench.TransportNode(c.Context(), args[0], args[1], c.InOrStdin(), c.OutOrStdout())
		}),
		hidden("raw-echo", 1, func(_ *cobra.Command, args []string) error { return bench.RawEcho(args[0]) }),
		hidden("echo-host", 0, func(c *cobra.Command, _ []string) error { return bench.EchoHost(c.Context(), c.OutOrStdout()) }),
		hidden("echo-plugin", 0, func(*cobra.Command, []string) error { remote.Serve(bench.EchoPlugin{}); return nil }),
	}
}

// newFlockNode is what bench failover runs this program as to measure F.
func newFlockNode() *cobra.Command {
	return &cobra.Command{
		Use:    "flock-node",
		Hidden: true,
		Args:   exactly(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return bench.FlockNode(args[0], args[1], c.OutOrStdout())
		},
	}
}
