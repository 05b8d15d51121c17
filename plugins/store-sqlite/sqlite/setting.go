package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// settings are the PRAGMAs that a transaction may have different from the rest of
// the workspace, with what holds there. The rest tunes, or is read-only, or would
// break a promise: see pragmaRule.
var settings = map[string]bool{
	"foreign_keys":             true,
	"ignore_check_constraints": false,
	"legacy_alter_table":       false,
	"recursive_triggers":       false,
}

// set makes the write connection's next transaction have them. The turn is held.
func (d *db) set(all []sdk.Setting) error {
	for i, s := range all {
		if _, known := settings[s.Name]; !known {
			d.unset(all[:i])
			return fmt.Errorf("%w: store-sqlite has no setting %q for a transaction", sdk.ErrUnsupported, s.Name)
		}
		if err := d.w.pragma(s); err != nil {
			d.unset(all[:i])
			return unavailable("set "+s.Name+" for a transaction", err)
		}
	}
	return nil
}

// unset goes back to what holds for the workspace. If that fails, the connection
// is not used again: it would apply the next write by the wrong rules.
func (d *db) unset(all []sdk.Setting) {
	for _, s := range all {
		if err := d.w.pragma(sdk.Setting{Name: s.Name, On: settings[s.Name]}); err != nil {
			d.mu.Lock()
			d.broken = errors.Join(d.broken, fmt.Errorf("set %s back after a transaction: %w", s.Name, err))
			d.mu.Unlock()
		}
	}
}

// pragma switches one setting. It is not a statement of conn.exec, because SQLite
// switches while it compiles and a kept one would do nothing.
func (c *conn) pragma(s sdk.Setting) error {
	word := "OFF"
	if s.On {
		word = "ON"
	}
	c.guard.internal = true
	defer func() { c.guard.internal = false }()
	stmt, err := c.raw.PrepareContext(context.Background(), "PRAGMA "+s.Name+" = "+word)
	if err != nil {
		return err
	}
	raw, ok := stmt.(rawStmt)
	if !ok {
		return errors.Join(fmt.Errorf("%w: the SQLite driver's statement lacks a method", sdk.ErrInternal), stmt.Close())
	}
	_, err = raw.ExecContext(context.Background(), nil)
	return errors.Join(err, raw.Close())
}
