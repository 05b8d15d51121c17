package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
)

func newStatus() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "show who serves the workspace",
		Long: `Status shows the workspace as an onlooker sees it. It joins nothing, changes nothing
and works with no instance running.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel, err := w.limit(c.Context())
			if err != nil {
				return err
			}
			defer cancel()
			cfg, asm, err := w.config(ctx, c, kernel.Config{})
			if err != nil {
				return err
			}
			status, err := kernel.Inspect(ctx, cfg)
			if err = errors.Join(err, asm.Close()); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(withLists(status))
			}
			return printStatus(c.OutOrStdout(), status)
		},
	}
	w.place(c)
	w.bound(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// withLists makes every list one that a script can walk: empty, never null.
func withLists(s kernel.Status) kernel.Status {
	s.Endpoints, s.Instances = list(s.Endpoints), list(s.Instances)
	s.Degraded, s.Warnings = list(s.Degraded), list(s.Warnings)
	s.Stages, s.Transitions = list(s.Stages), list(s.Transitions)
	return s
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func printStatus(out io.Writer, s kernel.Status) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	line("directory", s.Dir)
	line("data", s.Data)
	line("workspace", or(s.Workspace, "never used"))
	line("primary", or(s.Primary, "nobody"))
	line("epoch", s.Epoch)
	for _, e := range s.Endpoints {
		line("endpoint", e)
	}
	line("schema", s.Schema)
	if s.Engine != "" {
		line("engine", s.Engine)
	}
	if s.Newest != "" {
		line("newest change", s.Newest)
	}
	for _, name := range counters(s.Stages) {
		line("counter", name)
	}
	for _, d := range s.Degraded {
		line("degraded", d)
	}
	for _, w := range s.Warnings {
		line("warning", w)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printInstances(out, s.Instances); err != nil {
		return err
	}
	return printStages(out, s.Stages)
}

// printStages shows who serves the stages of the primary.
func printStages(out io.Writer, stages []kernel.StageStatus) error {
	if len(stages) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nSTAGE\tPLUGIN\tVERSION\tMODE\tPID\tRESTARTS\tHEALTH")
	for _, s := range stages {
		pid := "-"
		if s.PID != 0 {
			pid = strconv.Itoa(s.PID)
		}
		health := s.Health
		if s.Reason != "" {
			health += ": " + s.Reason
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.Stage, s.Plugin, s.Version, s.Mode, pid, s.Restarts, health)
	}
	return t.Flush()
}

// counters lists what the plugins count, each plugin once.
func counters(stages []kernel.StageStatus) []string {
	var list []string
	for _, st := range stages {
		for name, n := range st.Counters {
			list = append(list, fmt.Sprintf("%s %s %d", st.Plugin, name, n))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func printInstances(out io.Writer, instances []kernel.InstanceStatus) error {
	if len(instances) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nROLE\tID\tPID\tPROGRAM\tVERSION\tFAILOVER\tSINCE")
	for _, i := range instances {
		failover := "off"
		if i.Failover {
			failover = "auto"
		}
		since := "-"
		if !i.Since.IsZero() {
			since = i.Since.Local().Format(time.DateTime)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", i.Role, i.ID, i.PID, i.Program, or(i.Version, "-"), failover, since)
	}
	return t.Flush()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
