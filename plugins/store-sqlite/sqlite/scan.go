package sqlite

import "strings"

// tokenKind is as much of SQLite's lexer as splitting and counting need.
// See https://www.sqlite.org/src/file/src/tokenize.c for the whole of it.
type tokenKind uint8

const (
	tokenSpace tokenKind = iota // white space or a comment
	tokenSemi
	tokenWord  // a keyword or a bare identifier
	tokenParam // ?, ?1, :a, @a, $a
	tokenOther
)

// nextToken returns the token of s that begins at i and where it ends. i is
// below len(s).
func nextToken(s string, i int) (tokenKind, int) {
	switch c := s[i]; {
	case isSpace(c):
		return tokenSpace, i + 1
	case c == ';':
		return tokenSemi, i + 1
	case c == '-' && strings.HasPrefix(s[i:], "--"):
		return tokenSpace, endOf(s, i+2, "\n")
	case c == '/' && strings.HasPrefix(s[i:], "/*"):
		return tokenSpace, endOf(s, i+2, "*/")
	case c == '\'' || c == '"' || c == '`':
		return tokenOther, endOfQuoted(s, i)
	case c == '[':
		return tokenOther, endOf(s, i+1, "]")
	case c == '?':
		return tokenParam, wordEnd(s, i+1)
	case (c == ':' || c == '@' || c == '$' || c == '#') && i+1 < len(s) && isWord(s[i+1]):
		return tokenParam, endOfNamed(s, i)
	case isWord(c):
		return tokenWord, wordEnd(s, i+1)
	default:
		return tokenOther, i + 1
	}
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'
}

// isWord says whether c may be part of an identifier. '$' may, except first.
func isWord(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' ||
		c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func wordEnd(s string, i int) int {
	for i < len(s) && isWord(s[i]) {
		i++
	}
	return i
}

// endOf returns the index after the next mark, or the end.
func endOf(s string, i int, mark string) int {
	if n := strings.Index(s[i:], mark); n >= 0 {
		return i + n + len(mark)
	}
	return len(s)
}

// endOfQuoted skips a quoted token; a doubled quote stands for itself.
func endOfQuoted(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 >= len(s) || s[i+1] != quote {
			return i + 1
		}
		i++
	}
	return len(s)
}

// endOfNamed skips a named parameter, with the :: and (...) that $name may have.
func endOfNamed(s string, i int) int {
	dollar := s[i] == '$'
	i = wordEnd(s, i+1)
	for dollar && strings.HasPrefix(s[i:], "::") {
		i = wordEnd(s, i+2)
	}
	if dollar && i < len(s) && s[i] == '(' {
		return endOf(s, i, ")")
	}
	return i
}

// The states and token classes of sqlite3_complete, which knows that the
// semicolons inside CREATE TRIGGER do not end it.
// See https://www.sqlite.org/src/file/src/complete.c.
const (
	inStart   = 1
	inTrigger = 5
)

var completeTable = [8][8]uint8{
	// SEMI, SPACE, OTHER, EXPLAIN, CREATE, TEMP, TRIGGER, END
	{1, 0, 2, 3, 4, 2, 2, 2}, // 0 nothing yet
	{1, 1, 2, 3, 4, 2, 2, 2}, // 1 start: a statement just ended
	{1, 2, 2, 2, 2, 2, 2, 2}, // 2 normal
	{1, 3, 3, 2, 4, 2, 2, 2}, // 3 after EXPLAIN
	{1, 4, 2, 2, 2, 4, 5, 2}, // 4 after CREATE
	{6, 5, 5, 5, 5, 5, 5, 5}, // 5 inside a trigger
	{6, 6, 5, 5, 5, 5, 5, 7}, // 6 after a semicolon inside a trigger
	{1, 7, 5, 5, 5, 5, 5, 5}, // 7 after ;END
}

func completeClass(kind tokenKind, word string) uint8 {
	switch kind {
	case tokenSemi:
		return 0
	case tokenSpace:
		return 1
	case tokenWord:
		switch len(word) {
		case 3:
			if strings.EqualFold(word, "end") {
				return 7
			}
		case 4:
			if strings.EqualFold(word, "temp") {
				return 5
			}
		case 6:
			if strings.EqualFold(word, "create") {
				return 4
			}
		case 7:
			if strings.EqualFold(word, "explain") {
				return 3
			}
			if strings.EqualFold(word, "trigger") {
				return 6
			}
		case 9:
			if strings.EqualFold(word, "temporary") {
				return 5
			}
		}
	}
	return 2
}

// split cuts text into its statements, without their semicolons. Parts without
// a token are left out, so an empty text has none.
func split(text string) []string {
	var parts []string
	state, from, end, seen := uint8(0), 0, 0, false
	for i := 0; i < len(text); {
		kind, next := nextToken(text, i)
		state = completeTable[state][completeClass(kind, text[i:next])]
		switch {
		case kind == tokenSemi && state == inStart:
			if seen {
				parts = append(parts, text[from:end])
			}
			from, seen = next, false
		case kind != tokenSpace:
			if !seen {
				from = i
			}
			seen, end = true, next
		}
		i = next
	}
	if seen {
		parts = append(parts, text[from:end])
	}
	return parts
}

// firstWord returns the first keyword of a statement in lower case.
func firstWord(part string) string {
	for i := 0; i < len(part); {
		kind, next := nextToken(part, i)
		if kind == tokenWord {
			return strings.ToLower(part[i:next])
		}
		if kind != tokenSpace {
			return ""
		}
		i = next
	}
	return ""
}

// countParams returns how many parameters a statement takes: the largest index,
// as sqlite3_bind_parameter_count does.
func countParams(part string) int {
	largest := 0
	var names map[string]bool
	for i := 0; i < len(part); {
		kind, next := nextToken(part, i)
		if kind == tokenParam {
			name := part[i:next]
			switch n, numbered := paramNumber(name); {
			case numbered:
				largest = max(largest, n)
			case name == "?":
				largest++
			case !names[name]:
				if names == nil {
					names = map[string]bool{}
				}
				names[name] = true
				largest++
			}
		}
		i = next
	}
	return largest
}

// paramNumber reads the number of ?NNN. SQLite allows at most 32766.
func paramNumber(name string) (int, bool) {
	if name[0] != '?' || len(name) < 2 || len(name) > 6 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(name[1:]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
