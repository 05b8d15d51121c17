package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// maxScript bounds SQL from standard input; SQLite's own limit is lower or equal.
const maxScript = 16 << 20

func newSQL() *cobra.Command {
	var w workspace
	var asJSON bool
	c := &cobra.Command{
		Use:   "sql TEXT",
		Short: "run SQL in the workspace",
		Long: `Sql joins the workspace, runs TEXT and leaves. "-" reads TEXT from standard input.
It prints rows, or for a write how many rows it changed. It works on any role: with
nobody serving the workspace it does so itself meanwhile.`,
		Args: exactly(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := sqlText(c.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return w.errand(c, func(ctx context.Context, inst *kernel.Instance) error {
				return runSQL(ctx, inst.DB(), text, c.OutOrStdout(), asJSON)
			})
		},
	}
	w.place(c)
	w.identity(c)
	w.bound(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object per row; blobs as {\"base64\": ...}")
	return c
}

func sqlText(in io.Reader, arg string) (string, error) {
	if arg == "-" {
		b, err := io.ReadAll(io.LimitReader(in, maxScript+1))
		if err != nil {
			return "", fmt.Errorf("read SQL from standard input: %w", err)
		}
		if len(b) > maxScript {
			return "", fmt.Errorf("%w: SQL on standard input is longer than %d bytes; split it", sdk.ErrInvalid, maxScript)
		}
		arg = string(b)
	}
	if strings.TrimSpace(arg) == "" {
		return "", fmt.Errorf("%w: the SQL text is empty; give a statement", sdk.ErrInvalid)
	}
	return arg, nil
}

// runSQL runs text on a connection of its own, because what a write did is asked
// of the session that wrote.
func runSQL(ctx context.Context, db *sql.DB, text string, out io.Writer, asJSON bool) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	rows, err := conn.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		for rows.Next() { // a statement without columns still runs to its end
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		return printEffect(ctx, conn, out, asJSON)
	}
	print := printTable
	if asJSON {
		print = printObjects
	}
	if err := print(out, columns, rows); err != nil {
		// Some rows may be printed, so "nothing was done" is no longer true.
		return fmt.Errorf("the result is not complete: %w", incomplete(err))
	}
	return nil
}

// printEffect says what the last write of conn's session did.
func printEffect(ctx context.Context, conn *sql.Conn, out io.Writer, asJSON bool) error {
	var changed, id int64
	if err := conn.QueryRowContext(ctx, "SELECT changes()").Scan(&changed); err != nil {
		return fmt.Errorf("the statement was done, but what it changed could not be read: %v", err)
	}
	if err := conn.QueryRowContext(ctx, "SELECT last_insert_rowid()").Scan(&id); err != nil {
		return fmt.Errorf("the statement was done, but its rowid could not be read: %v", err)
	}
	format := "%d rows changed, last insert id %d\n"
	if asJSON {
		format = `{"rows_affected":%d,"last_insert_id":%d}` + "\n"
	}
	_, err := fmt.Fprintf(out, format, changed, id)
	return err
}

// incomplete keeps err from being taken for sdk.ErrUnavailable, which says that
// nothing was done.
func incomplete(err error) error {
	if errors.Is(err, sdk.ErrUnavailable) {
		return errors.New(err.Error())
	}
	return err
}
