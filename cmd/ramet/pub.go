package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
)

func newPub() *cobra.Command {
	var w workspace
	c := &cobra.Command{
		Use:   "pub TOPIC [BODY]",
		Short: "publish a message",
		Long:  `Pub publishes BODY (default: empty) to every subscriber of TOPIC in the workspace.`,
		Args:  exactly(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return w.errand(c, func(ctx context.Context, inst *kernel.Instance) error {
				return inst.Bus().Publish(ctx, args[0], body(args))
			})
		},
	}
	w.place(c)
	w.identity(c)
	w.bound(c)
	return c
}

// body is the second argument, if there is one.
func body(args []string) []byte {
	if len(args) < 2 {
		return nil
	}
	return []byte(args[1])
}
