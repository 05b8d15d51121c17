package sqlroute

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// settings are the PRAGMAs that a session may have different from the rest of the
// workspace, with what holds there. See https://www.sqlite.org/pragma.html.
var settings = map[string]bool{
	"foreign_keys":             true,
	"ignore_check_constraints": false,
	"legacy_alter_table":       false,
	"recursive_triggers":       false,
}

// setting is a text that asks for one of them or switches it.
type setting struct {
	name string // "": the text is none
	set  bool
	on   bool
}

// settingOf reads PRAGMA [main.]name [= value | (value)].
func settingOf(s statement) setting {
	if !s.is(0, "PRAGMA") || len(s.tokens) < 2 {
		return setting{}
	}
	i := 1
	if s.is(2, ".") && strings.EqualFold(s.name(1), "main") {
		i = 3
	}
	if i >= len(s.tokens) {
		return setting{}
	}
	name, rest := strings.ToLower(s.name(i)), len(s.tokens)-i-1
	if _, known := settings[name]; !known {
		return setting{}
	}
	switch {
	case rest == 0:
		return setting{name: name}
	case rest == 2 && s.is(i+1, "="), rest == 3 && s.is(i+1, "(") && s.is(i+3, ")"):
		return setting{name, true, isOn(s.name(i + 2))}
	case rest == 3 && s.is(i+1, "=") && (s.is(i+2, "-") || s.is(i+2, "+")):
		return setting{name, true, s.is(i+2, "+") && isOn(s.name(i+3))}
	}
	return setting{} // the engine says what is wrong with it
}

// isOn is SQLite's reading of a boolean: what it does not know is off.
func isOn(value string) bool {
	switch strings.ToLower(value) {
	case "on", "yes", "true":
		return true
	}
	return value != "" && value[0] >= '0' && value[0] <= '9' && strings.Trim(value, "0") != ""
}

// has says what holds in the session.
func (s *session) has(name string) bool {
	if on, own := s.settings[name]; own {
		return on
	}
	return settings[name]
}

// own lists what the session has different from the workspace.
func (s *session) own() []sdk.Setting {
	var all []sdk.Setting
	for name, on := range s.settings {
		all = append(all, sdk.Setting{Name: name, On: on})
	}
	return all
}

// change switches a setting of the session. Inside a transaction SQLite ignores
// foreign_keys; the others cannot change there, because the transaction has begun
// with what held.
func (c *conn) change(p setting) error {
	switch {
	case c.tx != nil && p.name == "foreign_keys", c.session.has(p.name) == p.on:
		return nil
	case c.tx != nil:
		return fmt.Errorf("%w: PRAGMA %s inside a transaction; switch it before BEGIN", sdk.ErrUnsupported, p.name)
	case settings[p.name] == p.on:
		delete(c.session.settings, p.name)
		return nil
	case c.session.settings == nil:
		c.session.settings = make(map[string]bool)
	}
	c.session.settings[p.name] = p.on
	return nil
}

// setting answers PRAGMA name, or does what PRAGMA name = value says.
func (c *conn) setting(p setting) (*rows, error) {
	if p.set {
		return &rows{last: true}, c.change(p)
	}
	on := int64(0)
	if c.session.has(p.name) {
		on = 1
	}
	return &rows{columns: []sdk.Column{{Name: p.name}}, block: [][]driver.Value{{on}}, last: true}, nil
}

// maxPrivate is how often a write in a transaction of its own is tried. Each
// failure says that nothing was applied; more than one means that primaries die
// faster than they work.
const maxPrivate = 5

// private runs a write in a transaction of its own, which has the session's
// settings.
func (c *conn) private(ctx context.Context, s sdk.Statement) (r sdk.Result, err error) {
	err = c.together(ctx, &plan{atomic: true}, func() error {
		r, err = c.tx.exec(ctx, s)
		return err
	})
	return r, err
}
