// Command ramet is the operator's tool for a ramet workspace: it joins one, runs
// SQL in it, uses its bus, shows its state and demonstrates its failover.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default action is back, so a second one ends the
	// process at once even if leaving hangs.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil {
		report(errs, err)
	}
	return statusOf(err)
}

const rootLong = `ramet works on a workspace: a directory that several processes share. The first
process that joins is primary, the others are secondary; every command works on
either role.

Exit status:
  0  done
  1  failed; demo: something was lost, duplicated or damaged
  2  wrong usage or invalid input
  3  unavailable: no primary, or it took too long; nothing was done
  4  the outcome of a write or a call is unknown
  5  an error of the database engine, like a syntax error or a constraint
  6  the data is corrupt, or of another version`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ramet",
		Short:         "several processes, one workspace, one database",
		Long:          rootLong,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	root.AddCommand(newRun(), newSQL(), newPub(), newSub(), newCall(), newStatus(), newVersion(),
		newInit(), newValidate(), newPlugin(), newDemo(), newDemoNode(), newBench(), newFlockNode())
	root.AddCommand(newRemoteNodes()...)
	return root
}
