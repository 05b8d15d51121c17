package sqlroute

import (
	"context"
	"database/sql/driver"
)

// stmt is a text of a session. It holds nothing in the engine: the backend keeps
// compiled statements, and they change with the role.
type stmt struct {
	c    *conn
	text string
	plan *plan // nil: it may change, so ask each time
}

var (
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

// ExecContext runs the text.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.plan == nil {
		return s.c.ExecContext(ctx, s.text, args)
	}
	if err := s.c.usable(ctx); err != nil {
		return nil, err
	}
	return s.c.exec(ctx, s.plan, s.text, args)
}

// QueryContext runs the text and serves its rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.plan == nil {
		return s.c.QueryContext(ctx, s.text, args)
	}
	if err := s.c.usable(ctx); err != nil {
		return nil, err
	}
	return s.c.query(ctx, s.plan, s.text, args)
}

// Exec is ExecContext without a context, for driver.Stmt.
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

// Query is QueryContext without a context, for driver.Stmt.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func named(args []driver.Value) []driver.NamedValue {
	all := make([]driver.NamedValue, len(args))
	for i, v := range args {
		all[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return all
}

// NumInput leaves the counting to the engine, which lets an argument be used
// twice and be left over.
func (s *stmt) NumInput() int { return -1 }

// Close does nothing.
func (s *stmt) Close() error { return nil }
