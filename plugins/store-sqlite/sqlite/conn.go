package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
	engine "modernc.org/sqlite"
)

// rawConn is what the driver's connections can do and this package needs. They
// are used directly: one round through database/sql costs as much as a point read.
type rawConn interface {
	driver.Conn
	driver.ConnPrepareContext
	engine.AuthorizerRegisterer
	engine.HookRegisterer
	engine.DBStatus
	engine.FileControl
	ColumnInfo(query string) ([]engine.ColumnInfo, error)
}

type rawStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// compiled is a statement of the application on one connection.
type compiled struct {
	text    string
	stmt    rawStmt
	uses    usage
	columns []sdk.Column   // as last described; never changed, so rows may keep them
	spare   []driver.Value // a row to find the end with; empty between uses
	pace    pace
	busy    bool // its rows are open, so it cannot be run again
	loose   bool // not in the cache: closed after use
}

// conn is one connection of the driver. One goroutine at a time.
type conn struct {
	raw      rawConn
	guard    guard
	cache    stmtCache
	internal map[string]rawStmt // statements of this package, by text
	ended    bool               // the engine rolled the transaction back by itself, or we did
	deferFK  bool               // the transaction has PRAGMA defer_foreign_keys on
	spoilt   bool               // its state is not known: do not use it again
	capture  capture
	inserted inserted
}

// connect opens a connection and sets what holds for the whole workspace.
func connect(ctx context.Context, dsn string, pragmas ...string) (*conn, error) {
	connector, err := engine.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	dc, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	raw, ok := dc.(rawConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: the SQLite driver lacks a method that this build needs", sdk.ErrInternal), dc.Close())
	}
	c := &conn{raw: raw, internal: map[string]rawStmt{}}
	if err := raw.RegisterAuthorizer(c.guard.check); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	// SQLite opens a WAL database on a read-only file system only if the WAL and its
	// index are there (https://sqlite.org/wal.html#read_only_databases): keep them.
	// Readers must say so too, since the last connection to close removes them.
	if _, err := raw.FileControlPersistWAL("main", 1); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	raw.RegisterRollbackHook(func() { c.ended = true })
	for _, p := range append([]string{"PRAGMA foreign_keys = ON"}, pragmas...) {
		if err := retry(ctx, func() error { return c.exec(p) }); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// close frees the connection and its statements.
func (c *conn) close() error {
	for _, s := range c.internal {
		_ = s.Close() // the connection goes with it
	}
	c.cache.clear()
	return c.raw.Close()
}

// statement returns our own statement with this text, compiled at first use.
func (c *conn) statement(text string) (rawStmt, error) {
	if s := c.internal[text]; s != nil {
		return s, nil
	}
	s, err := c.raw.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	raw, ok := s.(rawStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: the SQLite driver's statement lacks a method", sdk.ErrInternal), s.Close())
	}
	c.internal[text] = raw
	return raw, nil
}

// exec runs one of our own statements. It never takes the caller's context: an
// interrupted write rolls the whole transaction back.
func (c *conn) exec(text string, args ...driver.Value) error {
	c.guard.internal = true
	defer func() { c.guard.internal = false }()
	s, err := c.statement(text)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background(), named(args))
	return err
}

// row runs one of our own queries and puts its first row into dest. It returns
// false if there is none.
func (c *conn) row(dest []driver.Value, text string, args ...driver.Value) (found bool, err error) {
	err = c.each(dest, text, args, func() bool { found = true; return false })
	return found, err
}

// each calls f after each row was put into dest, until f returns false.
func (c *conn) each(dest []driver.Value, text string, args []driver.Value, f func() bool) (err error) {
	c.guard.internal = true
	defer func() { c.guard.internal = false }()
	s, err := c.statement(text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for {
		switch err := rows.Next(dest); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !f():
			return nil
		}
	}
}

func named(args []driver.Value) []driver.NamedValue {
	if len(args) == 0 {
		return nil
	}
	n := make([]driver.NamedValue, len(args))
	for i, v := range args {
		n[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return n
}

// take returns the compiled statement of a text seen before; nil if there is
// none, or it is in use. The caller gives it back with release.
func (c *conn) take(part string) *compiled {
	cs := c.cache.get(part)
	if cs == nil || cs.busy {
		return nil
	}
	cs.busy = true
	return cs
}

// compile returns the application's statement for a text that is one statement.
// The caller gives it back with release.
func (c *conn) compile(ctx context.Context, part string) (*compiled, error) {
	if cs := c.take(part); cs != nil {
		return cs, nil
	}
	inUse := c.cache.get(part) != nil
	first := firstWord(part)
	if first == "vacuum" {
		return nil, refusal(usage{refused: vacuumReason})
	}
	c.guard.saw = usage{}
	s, err := c.raw.PrepareContext(ctx, hideMeta(part))
	uses := c.guard.saw
	if err != nil {
		return nil, compileError(uses, err)
	}
	raw, ok := s.(rawStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: the SQLite driver's statement lacks a method", sdk.ErrInternal), s.Close())
	}
	uses.about(first)
	fresh := &compiled{text: hideMeta(part), stmt: raw, uses: uses, busy: true, loose: inUse}
	if !inUse {
		c.cache.put(part, fresh)
	}
	return fresh, nil
}

func (c *conn) release(cs *compiled) {
	cs.busy = false
	if cs.loose {
		_ = cs.stmt.Close() // it has no state worth an error
	}
}

const vacuumReason = "VACUUM cannot share a transaction with other writes; run it with the sqlite3 shell while no instance is running"

// compileError says why a text did not compile: our own refusal, or the engine's.
func compileError(uses usage, err error) error {
	if uses.refused != "" && codeOf(err)&0xff == codeAuth {
		return refusal(uses)
	}
	return sqlError(err)
}

// refusal is the error for a text that must not run.
func refusal(uses usage) error {
	if uses.ours {
		return &sdk.SQLError{Extended: codeAuth, Text: "not authorized: " + uses.refused}
	}
	return fmt.Errorf("%w: %s", sdk.ErrInvalid, uses.refused)
}

// retryPause is short because SQLite's own busy handler backs off so far that it
// took 42 ms where this takes 1 or 2.
const retryPause = time.Millisecond

// retry calls f until it succeeds, fails for another reason than a lock, or ctx
// ends, which gives ErrUnavailable.
func retry(ctx context.Context, f func() error) error {
	var timer *time.Timer
	for {
		err := f()
		if !isBusy(err) {
			return err
		}
		if timer == nil {
			timer = time.NewTimer(retryPause)
			defer timer.Stop()
		} else {
			timer.Reset(retryPause)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: another program holds the database's lock (%s): %w", sdk.ErrUnavailable, strings.TrimSpace(err.Error()), ctx.Err())
		case <-timer.C:
		}
	}
}
