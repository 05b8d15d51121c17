package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

func newSub() *cobra.Command {
	var w workspace
	s := &subscriber{}
	c := &cobra.Command{
		Use:   "sub [PREFIX]",
		Short: "print messages, or changes of the database, as they come",
		Long: `Sub prints one line for each message whose topic starts with PREFIX (default: all),
until SIGINT. With --changes it prints the changed rows of the database instead.`,
		Args: exactly(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.validate(c, args); err != nil {
				return err
			}
			s.out, s.errs = c.OutOrStdout(), c.ErrOrStderr()
			cfg, asm, err := w.config(c.Context(), c, kernel.Config{})
			if err != nil {
				return err
			}
			err = visit(c.Context(), cfg, func(inst *kernel.Instance) error {
				if s.changes {
					return s.followChanges(c.Context(), inst)
				}
				return s.followTopic(c.Context(), inst, args)
			})
			err = errors.Join(err, asm.Close())
			if c.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // being told to stop is how it normally ends
			}
			return err
		},
	}
	w.place(c)
	w.identity(c)
	f := c.Flags()
	f.BoolVar(&s.asJSON, "json", false, "one JSON object per line; a body that is not UTF-8 as \"base64\"")
	f.Uint64Var(&s.count, "count", 0, "leave after this many lines (0: never)")
	f.BoolVar(&s.changes, "changes", false, "follow the changes of the database")
	f.StringVar(&s.from, "from", "now", "with --changes: now, start, or a `POSITION` printed before")
	return c
}

// subscriber prints lines.
type subscriber struct {
	asJSON  bool
	count   uint64
	changes bool
	from    string

	out, errs io.Writer
	printed   uint64
}

func (s *subscriber) validate(c *cobra.Command, args []string) error {
	switch {
	case s.changes && len(args) > 0:
		return usage(c, errors.New("--changes takes no PREFIX"))
	case !s.changes && c.Flags().Changed("from"):
		return usage(c, errors.New("--from needs --changes"))
	case s.from == "now" || s.from == "start":
		return nil
	}
	_, err := sdk.ParsePosition(s.from)
	return err
}

func (s *subscriber) full() bool { return s.count > 0 && s.printed >= s.count }

// ready goes to standard error, so that a script knows from when on it misses
// nothing and a pipe still carries lines only.
func (s *subscriber) ready(what string) { fmt.Fprintf(s.errs, "ramet: following %s\n", what) }

func (s *subscriber) followTopic(ctx context.Context, inst *kernel.Instance, args []string) error {
	prefix := ""
	if len(args) > 0 {
		prefix = args[0]
	}
	sub, err := inst.Bus().Subscribe(ctx, prefix)
	if err != nil {
		return err
	}
	defer sub.Close()
	s.ready(fmt.Sprintf("topic %q", prefix))
	for !s.full() {
		e, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) event(e kernel.Event) error {
	if !e.Notice { // it is no message
		s.printed++
	}
	if s.asJSON && e.Notice {
		return json.NewEncoder(s.out).Encode(map[string]any{"notice": true, "lost": e.Lost, "gap": e.Gap})
	}
	if s.asJSON {
		line := map[string]any{"topic": e.Topic, "epoch": e.Epoch, "from": e.From, "lost": e.Lost, "gap": e.Gap}
		if utf8.Valid(e.Body) {
			line["body"] = string(e.Body)
		} else {
			line["base64"] = e.Body
		}
		return json.NewEncoder(s.out).Encode(line)
	}
	if e.Lost > 0 {
		fmt.Fprintf(s.out, "(%d messages lost)\n", e.Lost)
	}
	if e.Gap {
		fmt.Fprintln(s.out, "(the primary changed; messages may be missing)")
	}
	if e.Notice {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "%s %s\n", printable(e.Topic), printable(string(e.Body)))
	return err
}

func (s *subscriber) followChanges(ctx context.Context, inst *kernel.Instance) error {
	from, err := s.position(ctx, inst)
	if err != nil {
		return err
	}
	feed, err := inst.Changes(ctx, from)
	if err != nil {
		return err
	}
	defer feed.Close()
	s.ready("changes")
	for !s.full() {
		change, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.change(change); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) position(ctx context.Context, inst *kernel.Instance) (sdk.Position, error) {
	switch s.from {
	case "start":
		return sdk.Position{}, nil
	case "now":
		status, err := inst.Status(ctx)
		if err != nil {
			return sdk.Position{}, err
		}
		return sdk.ParsePosition(status.Newest)
	}
	return sdk.ParsePosition(s.from)
}

func (s *subscriber) change(c sdk.Change) error {
	s.printed++
	if s.asJSON {
		return json.NewEncoder(s.out).Encode(struct {
			Position string       `json:"position"`
			Epoch    uint64       `json:"epoch"`
			Op       sdk.ChangeOp `json:"op"`
			Table    string       `json:"table"`
			RowID    int64        `json:"rowid"`
			NoRowID  bool         `json:"no_rowid,omitempty"`
		}{c.Position.String(), c.Epoch, c.Op, c.Table, c.RowID, c.NoRowID})
	}
	_, err := fmt.Fprintf(s.out, "%s epoch %d %s %s %d\n", c.Position, c.Epoch, c.Op, printable(c.Table), c.RowID)
	return err
}
