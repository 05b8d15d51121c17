package assembly

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parsers recurse, and Go ends a process whose stack is too large: 60,000
// brackets are enough. A real assembly is four deep and has no operator at all.
const (
	maxDepth     = 32
	maxOperators = 100
)

// tooDeep returns why text is not parsed at all; nil if it may be.
func (s *source) tooDeep() *Fault {
	if s.isJSON {
		return s.deepJSON()
	}
	tokens, _ := hclsyntax.LexConfig([]byte(s.text), s.path, hcl.InitialPos) // the parser reports what is wrong
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenComma,
			hclsyntax.TokenEqual, hclsyntax.TokenColon, hclsyntax.TokenOQuote, hclsyntax.TokenCQuote, hclsyntax.TokenQuotedLit,
			hclsyntax.TokenStringLit, hclsyntax.TokenOHeredoc, hclsyntax.TokenCHeredoc, hclsyntax.TokenEOF:
		default:
			operators++
		}
		if depth > maxDepth || operators > maxOperators {
			f := s.deep(t.Range)
			return &f
		}
	}
	return nil
}

// deepJSON counts brackets outside of strings.
func (s *source) deepJSON() *Fault {
	depth, quoted, line := 0, false, 1
	for i := 0; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\n':
			line++
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			depth++
		case !quoted && (c == '}' || c == ']'):
			depth--
		}
		if depth > maxDepth {
			at := hcl.Pos{Line: line, Byte: i}
			f := s.deep(hcl.Range{Start: at, End: at})
			return &f
		}
	}
	return nil
}

func (s *source) deep(at hcl.Range) Fault {
	f := s.at(at, "the file is too deep, or full of operators")
	f.Cause = fmt.Sprintf("at most %d brackets are nested and %d operators read", maxDepth, maxOperators)
	f.Fix = "write plain values; docs/assembly.md shows the format"
	return f
}
