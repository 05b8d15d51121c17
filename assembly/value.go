package assembly

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// value returns what a key is set to. The file is data: only plain values are
// taken, so that no expression can make a small file cost much.
func (s *source) value(a *hcl.Attribute) (cty.Value, bool) {
	if _, name := a.Expr.(*hclsyntax.ScopeTraversalExpr); name && hcl.ExprAsKeyword(a.Expr) != "" {
		word := hcl.ExprAsKeyword(a.Expr)
		f := s.at(a.Expr.Range(), "the value of %s is a bare word", a.Name)
		f.Suggestion, f.Fix = fmt.Sprintf("%q", word), "write text in quotes"
		s.add(f)
		return cty.NilVal, false
	}
	if e, ok := a.Expr.(hclsyntax.Expression); ok && !plain(e) {
		f := s.at(a.Expr.Range(), "the value of %s is an expression", a.Name)
		f.Cause, f.Fix = "an assembly has no variables, functions or operators", "write a plain value"
		s.add(f)
		return cty.NilVal, false
	}
	v, diags := a.Expr.Value(nil)
	s.explain(diags, nil, "")
	return v, !diags.HasErrors()
}

// plain reports whether e is made of literals and lists alone.
func plain(e hclsyntax.Expression) bool {
	ok := true
	hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr, *hclsyntax.TupleConsExpr:
		case *hclsyntax.UnaryOpExpr:
			_, literal := n.Val.(*hclsyntax.LiteralValueExpr)
			ok = ok && literal && n.Op == hclsyntax.OpNegate
		default:
			ok = false
		}
		return nil
	})
	return ok
}

// mistyped adds the fault that a is not what is wanted.
func (s *source) mistyped(a *hcl.Attribute, v cty.Value, want, like string) {
	got := "null"
	if !v.IsNull() {
		got = v.Type().FriendlyName()
	}
	f := s.at(a.Expr.Range(), "%s is %s; it must be %s", a.Name, article(got), want)
	f.Fix = fmt.Sprintf("write it like %s = %s", a.Name, like)
	if s.isJSON {
		f.Fix = fmt.Sprintf("write it like %q: %s", a.Name, like)
	}
	s.add(f)
}

func article(noun string) string {
	switch {
	case noun == "null":
		return noun
	case strings.ContainsAny(noun[:1], "aeiou"):
		return "an " + noun
	}
	return "a " + noun
}

func (s *source) string(a *hcl.Attribute) (string, bool) {
	v, ok := s.value(a)
	if ok && (!isText(v)) {
		s.mistyped(a, v, "a string", `"text"`)
		ok = false
	}
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

func (s *source) bool(a *hcl.Attribute) (bool, bool) {
	v, ok := s.value(a)
	if ok && (v.IsNull() || v.Type() != cty.Bool) {
		s.mistyped(a, v, "true or false", "true")
		ok = false
	}
	return ok && v.True(), ok
}

// whole reads a whole number of at least least.
func (s *source) whole(a *hcl.Attribute, least int64) (int64, bool) {
	v, ok := s.value(a)
	if ok && (v.IsNull() || v.Type() != cty.Number) {
		s.mistyped(a, v, "a whole number", "5")
		return 0, false
	}
	if !ok {
		return 0, false
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 {
		s.mistyped(a, v, "a whole number of 64 bits", "5")
		return 0, false
	}
	if n < least {
		f := s.at(a.Expr.Range(), "%s is %d, which is too little", a.Name, n)
		f.Fix = fmt.Sprintf("use %d or more", least)
		s.add(f)
		return 0, false
	}
	return n, true
}

// duration reads text like "3s" of at least least.
func (s *source) duration(a *hcl.Attribute, least time.Duration) (time.Duration, bool) {
	v, ok := s.value(a)
	if ok && (!isText(v)) {
		s.mistyped(a, v, "a duration in quotes", `"3s"`)
		return 0, false
	}
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		f := s.at(a.Expr.Range(), "%s is %q, which is no duration", a.Name, v.AsString())
		f.Fix = `write a number and ns, us, ms, s, m or h, like "1m30s"`
		s.add(f)
		return 0, false
	}
	if d < least {
		f := s.at(a.Expr.Range(), "%s is %v, which is too short", a.Name, d)
		f.Fix = fmt.Sprintf("use %v or more", least)
		s.add(f)
		return 0, false
	}
	return d, true
}

// choice reads one of words.
func (s *source) choice(a *hcl.Attribute, words ...string) (string, bool) {
	got, ok := s.string(a)
	if !ok || slices.Contains(words, got) {
		return got, ok
	}
	f := s.at(a.Expr.Range(), "%s is %q", a.Name, got)
	f.Suggestion, f.Fix = nearest(got, words), "use one of: "+strings.Join(words, ", ")
	s.add(f)
	return "", false
}

// strings reads a list of strings.
func (s *source) strings(a *hcl.Attribute) ([]string, bool) {
	v, ok := s.value(a)
	if !ok {
		return nil, false
	}
	list := []string{}
	if v.IsNull() || !v.Type().IsTupleType() {
		s.mistyped(a, v, "a list of strings", `["one", "two"]`)
		return nil, false
	}
	for _, each := range v.AsValueSlice() {
		if !isText(each) {
			s.mistyped(a, each, "a list of strings", `["one", "two"]`)
			return nil, false
		}
		list = append(list, each.AsString())
	}
	return list, true
}

// count narrows a whole number to int.
func (s *source) count(a *hcl.Attribute) (int, bool) {
	n, ok := s.whole(a, 0)
	if ok && n > math.MaxInt32 {
		f := s.at(a.Expr.Range(), "%s is %d, which is too much", a.Name, n)
		f.Fix = fmt.Sprintf("use %d or less", math.MaxInt32)
		s.add(f)
		return 0, false
	}
	return int(n), ok
}

func isText(v cty.Value) bool { return !v.IsNull() && v.Type() == cty.String }

// literal returns text as a string of HCL. What is no character is replaced.
func literal(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	var last rune
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '{' && (last == '$' || last == '%'): // would begin a template
			b.WriteRune(last)
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
		last = r
	}
	b.WriteByte('"')
	return b.String()
}
