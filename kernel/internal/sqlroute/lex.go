package sqlroute

import "strings"

// tokenKind is as much of SQLite's grammar as routing needs.
type tokenKind byte

const (
	tokenWord   tokenKind = iota // keyword or plain identifier
	tokenQuoted                  // "x", [x], `x` or 'x'
	tokenOther                   // number, parameter, operator, punctuation
)

type token struct {
	kind       tokenKind
	start, end int
}

// statement is a part of a text up to its semicolon.
type statement struct {
	text   string // the whole text; tokens point into it
	tokens []token
}

// source returns the text of the statement, without what surrounds it.
func (s statement) source() string {
	return s.text[s.tokens[0].start:s.tokens[len(s.tokens)-1].end]
}

// is reports whether token i is the keyword or punctuation w, given in upper case.
func (s statement) is(i int, w string) bool {
	if i < 0 || i >= len(s.tokens) || s.tokens[i].kind == tokenQuoted {
		return false
	}
	return strings.EqualFold(s.at(i), w)
}

// at returns the text of token i.
func (s statement) at(i int) string { return s.text[s.tokens[i].start:s.tokens[i].end] }

// name returns token i as an identifier, without its quotes.
func (s statement) name(i int) string {
	t := s.at(i)
	if s.tokens[i].kind != tokenQuoted || len(t) < 2 {
		return t
	}
	quote := t[len(t)-1:]
	return strings.ReplaceAll(t[1:len(t)-1], quote+quote, quote)
}

// split cuts a text into its statements, without the empty ones. A trigger's body
// holds semicolons, so a trigger ends as in https://www.sqlite.org/c3ref/complete.html:
// at the semicolon after an END that follows a semicolon.
func split(text string) []statement {
	var all []statement
	var tokens []token
	flush := func() {
		if len(tokens) > 0 {
			all = append(all, statement{text, tokens})
		}
		tokens = nil
	}
	for at := 0; ; {
		t, ok := next(text, at)
		if !ok {
			break
		}
		at = t.end
		if text[t.start] == ';' {
			s := statement{text, tokens}
			n := len(tokens)
			if len(tokens) == 0 || !s.isTrigger() || (s.is(n-1, "END") && s.is(n-2, ";")) {
				flush()
				continue
			}
		}
		tokens = append(tokens, t)
	}
	flush()
	return all
}

func (s statement) isTrigger() bool {
	i := 0
	if s.is(i, "EXPLAIN") {
		i++
		if s.is(i, "QUERY") {
			i += 2
		}
	}
	if !s.is(i, "CREATE") {
		return false
	}
	return s.is(i+1, "TRIGGER") || ((s.is(i+1, "TEMP") || s.is(i+1, "TEMPORARY")) && s.is(i+2, "TRIGGER"))
}

// next returns the token at or after at; false at the end of the text.
func next(text string, at int) (token, bool) {
	at = skip(text, at)
	if at >= len(text) {
		return token{}, false
	}
	switch c := text[at]; {
	case c == '\'' || c == '"' || c == '`':
		return token{tokenQuoted, at, quotedEnd(text, at, c)}, true
	case c == '[':
		if i := strings.IndexByte(text[at:], ']'); i >= 0 {
			return token{tokenQuoted, at, at + i + 1}, true
		}
		return token{tokenQuoted, at, len(text)}, true
	case isWord(c) && (c < '0' || c > '9'):
		return token{tokenWord, at, wordEnd(text, at)}, true
	case isWord(c) || c == '?' || c == ':' || c == '@':
		return token{tokenOther, at, wordEnd(text, at+1)}, true
	default:
		return token{tokenOther, at, at + 1}, true
	}
}

// skip returns the place after blanks and comments. An open comment ends the text.
func skip(text string, at int) int {
	for at < len(text) {
		rest, end := text[at:], -1
		switch {
		case strings.IndexByte(" \t\n\r\f", text[at]) >= 0:
			at++
			continue
		case strings.HasPrefix(text[at:], "\ufeff"):
			at += len("\ufeff")
			continue
		case strings.HasPrefix(rest, "--"):
			end = strings.IndexByte(rest, '\n')
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end >= 0 {
				end += 3
			}
		default:
			return at
		}
		if end < 0 {
			return len(text)
		}
		at += end + 1
	}
	return at
}

func quotedEnd(text string, at int, quote byte) int {
	for i := at + 1; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

func wordEnd(text string, at int) int {
	for at < len(text) && isWord(text[at]) {
		at++
	}
	return at
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || (c >= '0' && c <= '9') ||
		(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}
