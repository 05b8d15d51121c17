package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
)

func newCall() *cobra.Command {
	var w workspace
	c := &cobra.Command{
		Use:   "call METHOD [BODY]",
		Short: "call a method that some instance handles",
		Long: `Call asks whichever instance handles METHOD and prints its answer. "ramet run --echo
METHOD" is an instance that handles one.`,
		Args: exactly(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return w.errand(c, func(ctx context.Context, inst *kernel.Instance) error {
				answer, err := inst.Bus().Call(ctx, args[0], body(args))
				if err != nil {
					return err
				}
				if len(answer) > 0 && answer[len(answer)-1] != '\n' {
					answer = append(answer, '\n')
				}
				_, err = c.OutOrStdout().Write(answer)
				return err
			})
		},
	}
	w.place(c)
	w.identity(c)
	w.bound(c)
	return c
}
