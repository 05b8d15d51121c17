package sqlroute

import (
	"database/sql/driver"
	"errors"

	"github.com/ramet-io/ramet/sdk"
)

// session is what SQLite keeps per connection and a shared writer cannot.
type session struct {
	lastInsertID int64
	changes      int64
	settings     map[string]bool // those that differ from the workspace's
}

// answer is a result column that the session knows.
type answer struct {
	name       string // of the column
	lastInsert bool   // else the number of changes
}

// note takes over what a write did and returns it as the session sees it: on the
// shared writer the numbers of a statement that sets none are another session's.
func (s *session) note(p *plan, r sdk.Result) driver.Result {
	if p.inserts && r.LastInsertID != 0 && (r.RowsAffected > 0 || p.parts > 1) {
		s.lastInsertID = r.LastInsertID
	}
	done := result{lastInsertID: s.lastInsertID}
	if p.counts {
		s.changes = r.RowsAffected
		done.affected = r.RowsAffected
	}
	return done
}

// noteFailure does what SQLite does: a statement that ran and failed changed
// nothing. One that did not compile (result code 1) did not run.
func (s *session) noteFailure(p *plan, err error) {
	var sqlError *sdk.SQLError
	if p.counts && errors.As(err, &sqlError) && sqlError.Code() != 1 {
		s.changes = 0
	}
}

// rows answers from the session.
func (s *session) rows(answers []answer) driver.Rows {
	r := &rows{last: true}
	values := make([]driver.Value, len(answers))
	for i, a := range answers {
		r.columns = append(r.columns, sdk.Column{Name: a.name})
		if values[i] = s.changes; a.lastInsert {
			values[i] = s.lastInsertID
		}
	}
	r.block = [][]driver.Value{values}
	return r
}

// result is a driver.Result.
type result struct{ lastInsertID, affected int64 }

// LastInsertId returns the rowid of the session's last insert; 0: none.
func (r result) LastInsertId() (int64, error) { return r.lastInsertID, nil }

// RowsAffected returns how many rows changed; 0 for what is not INSERT, UPDATE or
// DELETE.
func (r result) RowsAffected() (int64, error) { return r.affected, nil }

// answersOf reads SELECT f() [[AS] name] {, f() [[AS] name]} where each f is
// last_insert_rowid or changes; nil if it is anything else.
func answersOf(s statement) []answer {
	if !s.is(0, "SELECT") {
		return nil
	}
	var all []answer
	for i := 1; ; i++ {
		a := answer{lastInsert: s.is(i, "LAST_INSERT_ROWID")}
		if (!a.lastInsert && !s.is(i, "CHANGES")) || !s.isCall(i) {
			return nil
		}
		a.name = s.text[s.tokens[i].start:s.tokens[i+2].end]
		i += 3
		named := s.is(i, "AS")
		if named {
			i++
		}
		if i < len(s.tokens) && s.tokens[i].kind != tokenOther {
			if !named && (s.is(i, "FROM") || s.is(i, "WHERE") || s.is(i, "LIMIT") || s.is(i, "ORDER") || s.is(i, "UNION")) {
				return nil
			}
			a.name = s.name(i)
			i++
		} else if named {
			return nil
		}
		all = append(all, a)
		if i == len(s.tokens) {
			return all
		}
		if !s.is(i, ",") {
			return nil
		}
	}
}

// isCall reports whether token i is called without arguments. (A table may be
// called changes: INSERT INTO changes(a) is no call.)
func (s statement) isCall(i int) bool { return s.is(i+1, "(") && s.is(i+2, ")") }

// inserts reports whether s may set the last insert rowid.
func (s statement) inserts() bool {
	if s.is(0, "INSERT") || s.is(0, "REPLACE") {
		return true
	}
	if !s.is(0, "WITH") {
		return false
	}
	for i := range s.tokens {
		if (s.is(i, "INSERT") || s.is(i, "REPLACE")) && !s.is(i+1, "(") {
			return true
		}
	}
	return false
}

// counts reports whether s sets the number of changes, if it writes.
func (s statement) counts() bool {
	return s.is(0, "INSERT") || s.is(0, "REPLACE") || s.is(0, "UPDATE") || s.is(0, "DELETE") || s.is(0, "WITH")
}
