package assembly

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/ramet-io/ramet/sdk"
)

// Fault is one thing that is wrong with an assembly file, its lock file or a
// program it names. Its JSON form is stable: fields are added, never renamed.
type Fault struct {
	File       string `json:"file"`
	Line       int    `json:"line,omitempty"`       // from 1; 0: the file as a whole
	Column     int    `json:"column,omitempty"`     // from 1, in characters; 0: the line as a whole
	Excerpt    string `json:"excerpt,omitempty"`    // the line, cut if it is long
	What       string `json:"what"`                 // what is wrong
	Cause      string `json:"cause,omitempty"`      // why, if What does not say it
	Suggestion string `json:"suggestion,omitempty"` // what was probably meant
	Fix        string `json:"fix"`                  // what to do

	mark, width int   // where in Excerpt, in characters
	err         error // the cause, for errors.Is; may be nil
}

// String returns the fault for a person, in several lines without a newline at
// the end.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Column > 0 {
		fmt.Fprintf(&b, ":%d", f.Column)
	}
	fmt.Fprintf(&b, ": %s", f.What)
	if f.Excerpt != "" {
		number := fmt.Sprint(f.Line)
		fmt.Fprintf(&b, "\n  %s | %s", number, f.Excerpt)
		if f.width > 0 {
			fmt.Fprintf(&b, "\n  %s | %s%s", strings.Repeat(" ", len(number)), strings.Repeat(" ", f.mark), strings.Repeat("^", f.width))
		}
	}
	for _, more := range []struct{ name, text string }{{"cause", f.Cause}, {"did you mean", f.Suggestion}, {"fix", f.Fix}} {
		if more.text != "" {
			fmt.Fprintf(&b, "\n  %s: %s", more.name, more.text)
		}
	}
	return b.String()
}

// Error is every fault of an assembly, in the order of the file. It is
// [sdk.ErrInvalid], and what made a program fail to start as well.
type Error struct {
	File   string
	Faults []Fault // at least one
}

// Error returns all faults, an empty line between two.
func (e *Error) Error() string {
	n := "1 fault"
	if len(e.Faults) != 1 {
		n = fmt.Sprintf("%d faults", len(e.Faults))
	}
	text := fmt.Sprintf("assembly %s has %s", e.File, n)
	for _, f := range e.Faults {
		text += "\n\n" + f.String()
	}
	return text
}

// Unwrap returns sdk.ErrInvalid and the causes.
func (e *Error) Unwrap() []error {
	errs := []error{sdk.ErrInvalid}
	for _, f := range e.Faults {
		if f.err != nil {
			errs = append(errs, f.err)
		}
	}
	return errs
}

// faults gathers faults. The zero value is empty.
type faults struct{ list []Fault }

func (fs *faults) add(f Fault) { fs.list = append(fs.list, f) }

// err returns the faults of the assembly at path, or nil if there are none.
func (fs *faults) err(path string) error {
	if len(fs.list) == 0 {
		return nil
	}
	list := slices.Clone(fs.list)
	slices.SortStableFunc(list, func(a, b Fault) int { // what is about a file as a whole comes last
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(uint(a.Line-1), uint(b.Line-1)), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: path, Faults: list}
}

// Excerpts longer than this are cut around what is marked.
const maxExcerpt = 100

// excerpt returns line fit for a terminal, with width characters from mark on to be
// marked. Control characters are replaced: the file may be hostile.
func excerpt(line string, mark, width int) (text string, from, marked int) {
	runes := []rune(strings.TrimRight(line, "\r\n"))
	for i, r := range runes {
		if r == '\t' {
			runes[i] = ' '
		} else if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	mark = min(mark, len(runes))
	if mark > maxExcerpt/2 && len(runes) > maxExcerpt {
		cut := mark - maxExcerpt/2
		runes, mark = runes[cut:], mark-cut
	}
	runes = runes[:min(len(runes), maxExcerpt)]
	return string(runes), mark, max(min(width, len(runes)-mark), 1)
}

// clean returns text on one line and fit for a terminal.
func clean(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
}

// causeOf returns the text of err without what the kinds of sdk say by themselves.
func causeOf(err error) string {
	text := err.Error()
	if errors.Is(err, sdk.ErrInvalid) {
		text = strings.TrimPrefix(text, sdk.ErrInvalid.Error()+": ")
	}
	return clean(text)
}
