package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
)

const stamp = "2006-01-02T15:04:05.000Z07:00"

func newRun() *cobra.Command {
	var w workspace
	var failover string
	var echo []string
	c := &cobra.Command{
		Use:   "run",
		Short: "join the workspace and stay",
		Long: `Run joins the workspace and stays until SIGINT or SIGTERM, then hands over and leaves.
A second signal ends it at once. It prints one line for each change of its role:
time, role, epoch, primary, reason.`,
		Args: exactly(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("failover") && failover != "auto" && failover != "off" {
				return usage(c, fmt.Errorf("--failover is %q; use auto or off", failover))
			}
			cfg, asm, err := w.config(c.Context(), c, kernel.Config{Failover: true})
			if err != nil {
				return err
			}
			if c.Flags().Changed("failover") {
				cfg.Failover = failover == "auto"
			}
			return errors.Join(stay(c.Context(), c.OutOrStdout(), cfg, echo), asm.Close())
		},
	}
	w.place(c)
	w.identity(c)
	c.Flags().StringVar(&failover, "failover", "", "`auto`: take over when the primary is lost; off: never (default: as the assembly says, or else auto)")
	c.Flags().StringArrayVar(&echo, "echo", nil, "answer calls of `METHOD` with their own body; may be repeated")
	return c
}

// stay runs an instance until ctx ends.
func stay(ctx context.Context, out io.Writer, cfg kernel.Config, echo []string) error {
	inst, err := kernel.Bootstrap(ctx, cfg)
	if ctx.Err() != nil {
		return closed(inst) // asked to leave before it had joined
	}
	if err != nil {
		return err
	}
	for _, method := range echo {
		if _, err := inst.Bus().Handle(method, echoed); err != nil {
			inst.Close()
			return err
		}
	}
	// The feed must outlive ctx, so that the line about leaving is printed too.
	roles := inst.Roles(context.WithoutCancel(ctx))
	left := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { left <- inst.Close() })
	for change := range roles { // closed by Close, or when the instance ended by itself
		fmt.Fprintln(out, roleLine(inst.ID(), change))
	}
	if stop() {
		return inst.Close() // it ended by itself: Close tells why
	}
	return <-left
}

func closed(inst *kernel.Instance) error {
	if inst == nil {
		return nil
	}
	return inst.Close()
}

func echoed(_ context.Context, body []byte) ([]byte, error) { return body, nil }

// roleLine describes a change of the role of instance id.
func roleLine(id string, c kernel.RoleChange) string {
	role := string(c.Role)
	if role == "" {
		role = "none"
	}
	at := c.At
	if at.IsZero() {
		at = time.Now()
	}
	primary := "nobody"
	if c.Primary.Incarnation != "" {
		primary = fmt.Sprintf("%s (pid %d)", c.Primary.Instance, c.Primary.PID)
	}
	return fmt.Sprintf("%s %s is %s, epoch %d of %s: %s", at.Format(stamp), id, role, c.Primary.Epoch, primary, c.Reason)
}
