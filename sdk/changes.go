package sdk

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Position is a point in the change feed. Positions of one lineage are ordered
// by Row; a position of another lineage gives a gap. The zero value is the
// beginning.
type Position struct {
	Lineage string
	Row     uint64
}

// IsZero reports whether p is the beginning.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the text form, "lineage:row", or "" for the beginning.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return p.Lineage + ":" + strconv.FormatUint(p.Row, 10)
}

// ParsePosition reads what String wrote. [ErrInvalid] if it did not.
func ParsePosition(s string) (Position, error) {
	if s == "" {
		return Position{}, nil
	}
	lineage, row, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(row, 10, 64)
	if !ok || err != nil || lineage == "" {
		return Position{}, fmt.Errorf("%w: %q is not a position; use one that a change carried", ErrInvalid, s)
	}
	return Position{Lineage: lineage, Row: n}, nil
}

// ChangeOp says what happened to a row.
type ChangeOp string

// The operations. OpGap stands for changes that are no longer kept: read the
// tables anew and go on from its position.
const (
	OpInsert ChangeOp = "insert"
	OpUpdate ChangeOp = "update"
	OpDelete ChangeOp = "delete"
	OpGap    ChangeOp = "gap"
)

// Change is one changed row, in commit order.
type Change struct {
	Position Position
	Epoch    uint64 // of the commit
	Table    string // "" for a gap
	Op       ChangeOp
	RowID    int64 // of the row after the change (before, for a delete)
	NoRowID  bool  // the table is WITHOUT ROWID; RowID is 0
}

// Feed reads changes. One goroutine at a time; close it.
type Feed interface {
	// Next returns the next changes, at most a few hundred and never only a part of
	// one commit's unless the commit is larger, or io.EOF when there is none at the
	// moment: call again after a hint. Each change comes once, in order.
	Next(ctx context.Context) ([]Change, error)
	// Close frees the feed. Idempotent.
	Close() error
}
