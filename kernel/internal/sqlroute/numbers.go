package sqlroute

import (
	"fmt"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// call is a place in a text where a number of the session is asked for.
type call struct {
	start, end int
	lastInsert bool // else the number of changes
}

// callsOf finds last_insert_rowid() and changes() in s. Where SQLite stores the text
// or only describes it they are left alone: in the body of a trigger they mean the
// write that fires it, and there the engine is right. So it is about the rowid in
// RETURNING of an insert, which is the one just inserted.
func callsOf(s statement) []call {
	if s.is(0, "CREATE") || s.is(0, "EXPLAIN") {
		return nil
	}
	var all []call
	inserted := false
	for i := range s.tokens {
		inserted = inserted || s.is(i, "RETURNING") && s.inserts()
		last := s.is(i, "LAST_INSERT_ROWID")
		if (last || s.is(i, "CHANGES")) && s.isCall(i) && !(last && inserted) {
			all = append(all, call{s.tokens[i].start, s.tokens[i+2].end, last})
		}
	}
	return all
}

// asksTotal reports whether s calls total_changes(), which no session knows: it
// counts what triggers did, and the writer tells of the statement only.
func (s statement) asksTotal() bool {
	if s.is(0, "CREATE") || s.is(0, "EXPLAIN") {
		return false
	}
	for i := range s.tokens {
		if s.is(i, "TOTAL_CHANGES") && s.isCall(i) {
			return true
		}
	}
	return false
}

// filled is a text with the session's numbers in it.
type filled struct {
	text  string
	names *strings.Replacer // turns a column's name back; nil: nothing was filled in
}

// fill puts the session's numbers into text where p says they are asked for. Two
// things about the form: an integer alone would be a column's number in ORDER BY,
// and the comment makes the place recognisable in the name of a column.
func (s *session) fill(p *plan, text string) filled {
	if len(p.calls) == 0 {
		return filled{text: text}
	}
	var out strings.Builder
	var back []string
	done := 0
	for i, c := range p.calls {
		n := s.changes
		if c.lastInsert {
			n = s.lastInsertID
		}
		number := fmt.Sprintf("(0/*ramet %d*/+%d)", i, n)
		out.WriteString(text[done:c.start] + number)
		back = append(back, number, text[c.start:c.end])
		done = c.end
	}
	out.WriteString(text[done:])
	return filled{out.String(), strings.NewReplacer(back...)}
}

// columns gives columns the names that they have in the application's text.
func (f filled) columns(all []sdk.Column) []sdk.Column {
	if f.names == nil {
		return all
	}
	named := make([]sdk.Column, len(all))
	for i, c := range all {
		named[i] = sdk.Column{Name: f.names.Replace(c.Name), DeclType: c.DeclType}
	}
	return named
}
