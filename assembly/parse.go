package assembly

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

const (
	// maxBytes bounds a file. It also bounds the depth of the parser's recursion.
	maxBytes = 64 << 10
	// maxFaults bounds what is reported of one file: a wrong file can be wrong on
	// every line.
	maxFaults = 100
)

// source is a file with what is wrong with it. It reads both syntaxes of HCL.
type source struct {
	faults
	path   string // as it is shown
	text   string
	body   hcl.Body
	isJSON bool
}

// open reads and parses the file at path, shown as name. Everything that is wrong
// is in the source's faults; body is nil if it could not be parsed.
func open(path, name string) *source {
	s := &source{path: name, isJSON: strings.HasSuffix(path, ".json")}
	text, err := slurp(path)
	if err != nil {
		s.add(Fault{File: name, What: "the file cannot be read", Cause: clean(err.Error()), Fix: "name a readable file of HCL or JSON", err: err})
		return s
	}
	s.parse(text)
	return s
}

// slurp reads a regular file of at most maxBytes. Others could block for ever, or
// never end.
func slurp(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file but %s", fs.FormatFileInfo(info)[:10])
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", maxBytes)
	}
	return text, err
}

// parse turns text into a body. hclsyntax documents that it panics where its
// parser is wrong; a file must not end the process, so that becomes a fault.
func (s *source) parse(text []byte) {
	s.text = string(text)
	if !utf8.ValidString(s.text) {
		bad := strings.IndexFunc(s.text, func(r rune) bool { return r == utf8.RuneError })
		s.add(Fault{File: s.path, Line: strings.Count(s.text[:bad], "\n") + 1, What: "the file is not UTF-8",
			Cause: "this line holds bytes that are no character", Fix: "save the file as UTF-8"})
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.add(Fault{File: s.path, What: "the file cannot be parsed", Cause: clean(fmt.Sprint(p)), Fix: "remove parts of it until it can be"})
			s.body = nil
		}
	}()
	if s.isJSON && len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}") // an empty file is the default in either form
	}
	if f := s.tooDeep(); f != nil {
		s.add(*f)
		return
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if s.isJSON {
		if file, diags = json.Parse(text, s.path); len(diags) > 1 {
			diags = diags[:1] // the others follow from the first
		}
	} else {
		file, diags = hclsyntax.ParseConfig(text, s.path, hcl.InitialPos)
	}
	s.explain(diags, nil, "")
	if !diags.HasErrors() {
		s.body = file.Body
	}
}

// at returns a fault about the range r.
func (s *source) at(r hcl.Range, what string, args ...any) Fault {
	f := Fault{File: s.path, Line: r.Start.Line, Column: r.Start.Column, What: fmt.Sprintf(what, args...)}
	if from := r.Start.Byte; r.Start.Line > 0 && from <= len(s.text) {
		begin := strings.LastIndexByte(s.text[:from], '\n') + 1
		line, _, _ := strings.Cut(s.text[begin:], "\n")
		f.Excerpt, f.mark, f.width = excerpt(line, utf8.RuneCountInString(s.text[begin:from]), max(utf8.RuneCountInString(s.of(r)), 1))
	}
	return f
}

// of returns the text of r.
func (s *source) of(r hcl.Range) string {
	if from, to := r.Start.Byte, r.End.Byte; 0 <= from && from <= to && to <= len(s.text) {
		return s.text[from:to]
	}
	return ""
}

// add keeps f unless there are too many.
func (s *source) add(f Fault) {
	switch n := len(s.list); {
	case n < maxFaults:
		s.faults.add(f)
	case n == maxFaults:
		s.faults.add(Fault{File: s.path, What: fmt.Sprintf("more than %d faults", maxFaults), Fix: "repair the ones above first"})
	}
}

// content reads the keys and blocks of schema from body and adds a fault for each
// other one. where names the body, like "kernel".
func (s *source) content(body hcl.Body, schema *hcl.BodySchema, where string) *hcl.BodyContent {
	content, diags := body.Content(schema)
	s.explain(diags, schema, where)
	if s.isJSON {
		s.nulls(body, schema)
	}
	return content
}

// nulls adds a fault for each block that JSON gives as null: the parser would drop
// it, and a plugin with it.
func (s *source) nulls(body hcl.Body, schema *hcl.BodySchema) {
	attrs, _ := body.JustAttributes()
	for _, block := range schema.Blocks {
		attr := attrs[block.Type]
		if attr == nil {
			continue
		}
		value, diags := attr.Expr.Value(nil)
		null := !diags.HasErrors() && value.IsNull()
		if !null && len(block.LabelNames) > 0 && value.CanIterateElements() {
			for _, each := range value.AsValueSlice() {
				null = null || each.IsNull()
			}
		}
		if null {
			f := s.at(attr.NameRange, "%s is null", block.Type)
			f.Fix = "write an object, or remove it"
			s.add(f)
		}
	}
}

// explain adds the parser's diagnostics. schema is what was asked for, if anything.
func (s *source) explain(diags hcl.Diagnostics, schema *hcl.BodySchema, where string) {
	last := ""
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if n := len(s.list); n > 0 && d.Subject != nil && d.Summary == last && s.list[n-1].Line == d.Subject.Start.Line {
			continue // like each further character of a line of garbage
		}
		last = d.Summary
		at := hcl.Range{}
		if d.Subject != nil {
			at = *d.Subject
		}
		f := s.at(at, "%s", strings.ToLower(d.Summary[:min(1, len(d.Summary))])+clean(d.Summary[min(1, len(d.Summary)):]))
		f.Cause, f.Fix = clean(d.Detail), "correct the syntax; docs/assembly.md shows it"
		switch d.Summary {
		case "Unsupported argument", "Unsupported block type", "Extraneous JSON object property":
			if schema != nil {
				s.unknown(&f, strings.Trim(s.of(at), `"`), schema, where)
			}
		}
		s.add(f)
	}
}

// unknown makes f say that body where has no key name.
func (s *source) unknown(f *Fault, name string, schema *hcl.BodySchema, where string) {
	var known, keys, blocks []string
	for _, a := range schema.Attributes {
		keys = append(keys, a.Name)
	}
	for _, b := range schema.Blocks {
		blocks = append(blocks, b.Type)
	}
	known = append(append(known, keys...), blocks...)
	f.What, f.Cause = fmt.Sprintf("%s has no key %q", where, clean(name)), ""
	f.Fix = "use one of: " + strings.Join(known, ", ")
	f.Suggestion = nearest(name, known)
	for _, b := range blocks {
		if b == name { // as a key with "="
			f.What, f.Suggestion, f.Fix = fmt.Sprintf("%s is a block", name), name+" { ... }", `remove the "="`
		}
	}
	for _, k := range keys {
		if k == name {
			f.What, f.Suggestion, f.Fix = fmt.Sprintf("%s is a key, not a block", name), name+" = ...", `write it with "="`
		}
	}
}

// missing reports whether there is nothing at all at path. A link that leads
// nowhere is something.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
