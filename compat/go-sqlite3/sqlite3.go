// Package sqlite3 stands in for github.com/mattn/go-sqlite3 in this module's build:
// the driver "sqlite3" that it registers opens sessions of a ramet secondary. So
// test suites of others that know that driver by its import path run on ramet
// unchanged, and no second SQLite library is linked in.
package sqlite3

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// BareEnv, when set, makes the driver open the bare SQLite instead, to see what a
// suite says of that.
const BareEnv = "RAMET_COMPAT_BARE"

func init() { sql.Register("sqlite3", &shim{handles: map[string]*sql.DB{}}) }

// shim is the driver. What it opens lives until the process ends, as a suite has
// no place to close it.
type shim struct {
	mu      sync.Mutex
	handles map[string]*sql.DB // by data source name; guarded by mu
}

// Open returns a session on the database file that name is the path of.
func (s *shim) Open(name string) (driver.Conn, error) {
	db, err := s.handle(name)
	if err != nil {
		return nil, err
	}
	pinned, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	var raw full
	err = pinned.Raw(func(dc any) (err error) {
		var ok bool
		if raw, ok = dc.(full); !ok {
			err = fmt.Errorf("%T lacks a method of database/sql/driver", dc)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &session{raw, pinned}, nil
}

func (s *shim) handle(name string) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if db := s.handles[name]; db != nil {
		return db, nil
	}
	db, err := open(name)
	if err == nil {
		s.handles[name] = db
	}
	return db, err
}

// open starts a primary and a secondary over the file and returns the latter's
// handle.
func open(name string) (*sql.DB, error) {
	if os.Getenv(BareEnv) != "" {
		return sql.Open("sqlite", name)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(name, "file:"), "?")
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("data source %q: want the absolute path of a file", name)
	}
	var inst *kernel.Instance
	for range 2 {
		var err error
		inst, err = kernel.Bootstrap(context.Background(), kernel.Config{
			Workdir: filepath.Dir(path), DataPath: path, Plugins: bundled.All(),
		})
		if err != nil {
			return nil, err
		}
	}
	return inst.DB(), nil
}

// full is what both drivers' connections can do.
type full interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// session is a connection that is pinned for this driver alone, so using it
// outside of Raw disturbs nobody.
type session struct {
	full
	pinned *sql.Conn
}

// Close gives the connection back.
func (s *session) Close() error { return s.pinned.Close() }

// CheckNamedValue passes on what the connection knows of values.
func (s *session) CheckNamedValue(v *driver.NamedValue) error {
	if c, ok := s.full.(driver.NamedValueChecker); ok {
		return c.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
