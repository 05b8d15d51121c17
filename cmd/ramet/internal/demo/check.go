package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

const checkLimit = 2 * time.Minute

// key names a logical write.
type key struct {
	node string
	n    int64
}

// judge opens the workspace when all nodes are gone and compares.
func (d *director) judge(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	r := d.tally()
	cfg, asm, err := config(ctx, d.o.Assembly, d.o.Workdir, "check", d.o.TTL, false)
	if err != nil {
		return Result{}, fmt.Errorf("open the workspace for the check: %w", err)
	}
	defer asm.Close() // after the instance
	inst, err := kernel.Bootstrap(ctx, cfg)
	if err != nil {
		return Result{}, fmt.Errorf("open the workspace for the check: %w", err)
	}
	defer inst.Close()
	held, err := readRows(ctx, inst.LocalDB())
	if err != nil {
		return Result{}, fmt.Errorf("read the rows for the check: %w", err)
	}
	d.compare(&r, held)
	d.compareFeeds(&r, held)
	if r.Integrity, err = integrity(ctx, inst); err != nil {
		return Result{}, fmt.Errorf("check the database: %w", err)
	}
	return r, inst.Close()
}

func readRows(ctx context.Context, db *sql.DB) (map[key][]int64, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, node, n FROM messages`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	held := map[key][]int64{}
	for rows.Next() {
		var k key
		var id int64
		if err := rows.Scan(&id, &k.node, &k.n); err != nil {
			return nil, err
		}
		held[k] = append(held[k], id)
	}
	return held, rows.Err()
}

// compare counts what was acknowledged and is not there, and what is there twice.
func (d *director) compare(r *Result, held map[key][]int64) {
	for _, ids := range held {
		r.Duplicated += len(ids) - 1
	}
	for _, c := range d.all {
		for _, a := range c.acks {
			ids := held[key{c.name, a.key}]
			switch {
			case len(ids) == 0:
				r.Lost++
			case len(ids) == 1 && ids[0] != a.row:
				r.Misreported++
			}
		}
	}
}

// compareFeeds checks what the feeds of the nodes that lived to the end showed.
// Acknowledged rows before a gap need not have been shown.
func (d *director) compareFeeds(r *Result, held map[key][]int64) {
	exists := map[int64]bool{}
	for _, ids := range held {
		for _, id := range ids {
			exists[id] = true
		}
	}
	for _, c := range d.slots {
		r.Feed.Gaps += c.gaps
		for row, times := range c.seen {
			r.Feed.Rows += times
			r.Feed.Duplicated += times - 1
			if !exists[row] {
				r.Feed.Unexpected++
			}
		}
		for _, row := range d.rows[c.covered:] {
			if c.seen[row] == 0 {
				r.Feed.Missing++
			}
		}
	}
}

// integrity asks SQLite, and what the schema says must hold. "ok" or what is wrong.
func integrity(ctx context.Context, inst *kernel.Instance) (string, error) {
	faults, err := texts(ctx, inst.LocalDB(), `SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'`)
	if err != nil {
		return "", err
	}
	for _, check := range []string{
		`SELECT 'a row of ' || "table" || ' refers to a missing one' FROM pragma_foreign_key_check`,
		`SELECT 'session ' || id || ' counts ' || messages || ' messages' FROM sessions s
			WHERE messages <> (SELECT count(*) FROM messages m WHERE m.session_id = s.id)`,
		`SELECT 'message ' || m.id || ' lacks its file' FROM files f LEFT JOIN messages m ON m.id = f.message_id WHERE m.id IS NULL`,
	} {
		more, err := texts(ctx, inst.LocalDB(), check)
		if err != nil {
			return "", err
		}
		faults = append(faults, more...)
	}
	// Compares the full-text index with the table it stands for.
	_, err = inst.DB().ExecContext(ctx, `INSERT INTO messages_fts(messages_fts, rank) VALUES ('integrity-check', 1)`)
	var engine *sdk.SQLError
	if errors.As(err, &engine) {
		faults = append(faults, "full-text index: "+engine.Text)
	} else if err != nil {
		return "", err
	}
	if len(faults) > 0 {
		return strings.Join(faults, "; "), nil
	}
	return "ok", nil
}

func texts(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s.String)
	}
	return list, rows.Err()
}
