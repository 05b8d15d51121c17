package sqlite

import "strings"

// hidden is what a listing must satisfy to leave our tables out.
const hidden = " NOT GLOB '" + metaPrefix + "*'"

// The listings in which our tables would show, and what to read instead. Migrators
// and dump programs take every table that they see there for the application's.
var listings = map[string]string{
	"sqlite_master":     "main.sqlite_schema WHERE tbl_name" + hidden,
	"sqlite_schema":     "main.sqlite_schema WHERE tbl_name" + hidden,
	"pragma_table_list": "pragma_table_list WHERE name" + hidden,
}

// hideMeta returns the text to compile instead of part, which is one statement:
// where it reads a listing, a subquery without our tables stands for it. The bodies
// of views and triggers stay as they are, because SQLite stores their text.
func hideMeta(part string) string {
	lower := strings.ToLower(part)
	if !strings.Contains(lower, "sqlite_master") && !strings.Contains(lower, "sqlite_schema") && !strings.Contains(lower, "table_list") {
		return part
	}
	words := wordsOf(part)
	switch {
	case words.stores():
		return part
	case words.is(0, "pragma"):
		return words.tableList()
	}
	var out strings.Builder
	done := 0
	for i := range words.all {
		from, ok := words.listing(i)
		if !ok {
			continue
		}
		columns := "*"
		if words.mentions("rowid") || words.mentions("_rowid_") || words.mentions("oid") {
			columns = "rowid, *"
		}
		out.WriteString(part[done:words.all[from].start])
		out.WriteString("(SELECT " + columns + " FROM " + listings[words.name(i)] + ")")
		if !words.aliased(i + 1) {
			out.WriteString(" AS " + words.name(i))
		}
		done = words.all[i].end
	}
	return out.String() + part[done:]
}

// word is a token that is not space, and whether a table may stand there.
type word struct {
	start, end int
	table      bool
}

// words are the tokens of a statement.
type words struct {
	text string
	all  []word
}

// wordsOf finds the tokens and where tables are named: after FROM and JOIN, and
// after a comma or an opening parenthesis in such a list.
func wordsOf(text string) words {
	w := words{text: text}
	lists := []bool{false} // by depth of parentheses: in a list of tables
	expect := false
	for i := 0; i < len(text); {
		kind, next := nextToken(text, i)
		if kind == tokenSpace || kind == tokenSemi {
			i = next
			continue
		}
		w.all = append(w.all, word{i, next, expect})
		at := len(w.all) - 1
		top := len(lists) - 1
		switch {
		case w.is(at, "from") && !w.is(at-1, "delete"), w.is(at, "join"):
			lists[top], expect = true, true
		case w.is(at, "("):
			lists = append(lists, expect)
		case w.is(at, ")"):
			lists, expect = lists[:max(top, 1)], false
		case w.is(at, ","):
			expect = lists[top]
		case w.is(at, "."):
			expect = at > 0 && w.all[at-1].table && w.name(at-1) == "main"
		default:
			if kind == tokenWord && endsTables[strings.ToLower(w.at(at))] {
				lists[top] = false
			}
			expect = false
		}
		i = next
	}
	return w
}

// endsTables are the keywords that end a list of tables.
var endsTables = map[string]bool{"where": true, "group": true, "order": true, "limit": true, "window": true, "having": true,
	"union": true, "except": true, "intersect": true, "select": true, "set": true, "returning": true, "values": true}

func (w words) at(i int) string { return w.text[w.all[i].start:w.all[i].end] }

// is reports whether token i is the given keyword, in lower case, or punctuation.
func (w words) is(i int, s string) bool {
	return i >= 0 && i < len(w.all) && strings.EqualFold(w.at(i), s)
}

// name returns token i as an identifier in lower case.
func (w words) name(i int) string {
	s := w.at(i)
	if n := len(s); n >= 2 && strings.IndexByte("\"'`[", s[0]) >= 0 {
		s = s[1 : n-1]
	}
	return strings.ToLower(s)
}

func (w words) mentions(s string) bool {
	for i := range w.all {
		if w.name(i) == s {
			return true
		}
	}
	return false
}

// stores reports whether SQLite keeps the text of the statement.
func (w words) stores() bool {
	for i := 1; i < min(len(w.all), 4); i++ {
		if w.is(0, "create") && (w.is(i, "view") || w.is(i, "trigger")) {
			return true
		}
	}
	return false
}

// listing reports whether token i names a listing that is read, and where that
// name begins, its schema included.
func (w words) listing(i int) (from int, ok bool) {
	if listings[w.name(i)] == "" || !w.all[i].table || w.is(i+1, ".") || w.is(i+1, "(") {
		return 0, false
	}
	if w.is(i-1, ".") {
		return i - 2, true
	}
	return i, true
}

// aliased reports whether token i is, or begins, an alias.
func (w words) aliased(i int) bool {
	if i >= len(w.all) {
		return false
	}
	kind, _ := nextToken(w.text, w.all[i].start)
	if kind == tokenOther {
		return strings.IndexByte("\"'`[", w.at(i)[0]) >= 0
	}
	return kind == tokenWord && !endsTables[strings.ToLower(w.at(i))] && !joins[strings.ToLower(w.at(i))]
}

// joins are the keywords that follow a table and are no alias.
var joins = map[string]bool{"join": true, "left": true, "right": true, "full": true, "inner": true, "outer": true,
	"cross": true, "natural": true, "on": true, "using": true, "indexed": true, "not": true}

// tableList is PRAGMA [schema.]table_list without an argument as a query of the
// same columns; the text as it is if it is anything else.
func (w words) tableList() string {
	i, schema := 1, ""
	if w.is(2, ".") && len(w.all) > 1 {
		i, schema = 3, w.name(1)
	}
	if len(w.all) != i+1 || w.name(i) != "table_list" {
		return w.text
	}
	text := "SELECT * FROM " + listings["pragma_table_list"]
	if schema != "" {
		text += " AND schema = '" + strings.ReplaceAll(schema, "'", "''") + "'"
	}
	return text
}
