package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/sdk"
)

// The exit statuses; rootLong explains them to the user.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitUnknown     = 4
	exitSQL         = 5
	exitData        = 6
)

// statusOf returns the exit status for err. What is known about a write comes
// first: a script must never take an unknown outcome for "not done".
func statusOf(err error) int {
	var engine *sdk.SQLError
	var file *assembly.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &file):
		return exitUsage // whatever made a program fail
	case errors.Is(err, sdk.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, sdk.ErrCorrupt), errors.Is(err, sdk.ErrIncompatible):
		return exitData
	case errors.As(err, &engine):
		return exitSQL
	case errors.Is(err, sdk.ErrInvalid):
		return exitUsage
	case errors.Is(err, sdk.ErrUnavailable), errors.Is(err, sdk.ErrNotPrimary), errors.Is(err, sdk.ErrHeld),
		errors.Is(err, sdk.ErrTxLost), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitFailed
}

// advice says what to do about err if its own text does not.
func advice(err error) string {
	switch statusOf(err) {
	case exitUnavailable:
		return "see who serves the workspace with: ramet status"
	case exitUnknown:
		return "look at the data before you run it again"
	case exitData:
		return "keep the files; see ramet version and ramet status"
	}
	return ""
}

// report prints err on one line, or the faults of an assembly on as many as they
// need.
func report(w io.Writer, err error) {
	var file *assembly.Error
	if errors.As(err, &file) {
		fmt.Fprintf(w, "ramet: %v\n", err)
		return
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
	if hint := advice(err); hint != "" && !strings.Contains(text, ";") {
		text += "; " + hint
	}
	fmt.Fprintf(w, "ramet: %s\n", text)
}

// usage is an error in the command line of c.
func usage(c *cobra.Command, err error) error {
	return fmt.Errorf("%w: %w; see %s --help", sdk.ErrInvalid, err, c.CommandPath())
}

// noArgs and exactly are cobra's checks with our kind of error.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 && c.HasSubCommands() {
		return usage(c, fmt.Errorf("unknown command %q", args[0]))
	}
	return exactly(0, 0)(c, args)
}

func exactly(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(least, most)(c, args); err != nil {
			return usage(c, err)
		}
		return nil
	}
}
