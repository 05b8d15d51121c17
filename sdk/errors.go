package sdk

import (
	"errors"
	"fmt"
)

// Code is the stable number of an error kind. Numbers are never reused.
type Code uint32

// The closed set. Test with errors.Is; the texts around them say what happened
// and what to do.
var (
	// ErrInvalid: the input is wrong. Fix it; the same call fails again.
	ErrInvalid = kind(1, "invalid input")
	// ErrHeld: another owner has it. See *HeldError. Wait, or become secondary.
	ErrHeld = kind(2, "held by another instance")
	// ErrFenced: a higher epoch exists. Not applied. Stop writing at once.
	ErrFenced = kind(3, "fenced by a newer primary")
	// ErrNotPrimary: ask the primary instead. See *NotPrimaryError. Not applied.
	ErrNotPrimary = kind(4, "not the primary")
	// ErrReadOnly: this handle cannot write. Not applied. Use Instance.DB().
	ErrReadOnly = kind(5, "read-only")
	// ErrUnavailable: certainly not executed. Retry with back-off.
	ErrUnavailable = kind(6, "unavailable, not executed")
	// ErrOutcomeUnknown: maybe executed. Retry only with the same write id, or look.
	// See *OutcomeUnknownError.
	ErrOutcomeUnknown = kind(7, "outcome unknown")
	// ErrTxLost: the transaction ended without effect. Run it again from BEGIN.
	ErrTxLost = kind(8, "transaction lost, nothing applied")
	// ErrResultGone: applied, but its result is no longer kept. Do not run it again.
	ErrResultGone = kind(9, "applied, result no longer kept")
	// ErrClosed: the thing was closed. A programming error, or shutdown.
	ErrClosed = kind(10, "closed")
	// ErrUnsupported: this plugin or role cannot do it; the text names the capability.
	ErrUnsupported = kind(11, "unsupported")
	// ErrIncompatible: versions do not fit; the text names both. Upgrade one.
	ErrIncompatible = kind(12, "incompatible version")
	// ErrCorrupt: the data is damaged or not what it should be. Stop and keep the files.
	ErrCorrupt = kind(13, "corrupt")
	// ErrUnclean: something did not stop, so the lock is kept. Exit the process.
	ErrUnclean = kind(14, "not stopped cleanly")
	// ErrInternal: a bug. Report it.
	ErrInternal = kind(15, "internal error")
)

type kindError struct {
	code Code
	text string
}

func (e *kindError) Error() string { return e.text }

var kinds = map[Code]error{}

func kind(c Code, text string) error {
	e := &kindError{c, text}
	kinds[c] = e
	return e
}

// CodeOf returns the number of the first error of the closed set in err's tree;
// 0 if there is none.
func CodeOf(err error) Code {
	var k *kindError
	if errors.As(err, &k) {
		return k.code
	}
	return 0
}

// KindOf returns the error of the closed set with number c; nil if there is none.
func KindOf(c Code) error { return kinds[c] }

// HeldError is ErrHeld with the holder, as far as it is known.
type HeldError struct {
	Holder Record
	What   string // what is held, like a path
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s is held by an instance whose record is not readable yet", e.What)
	}
	return fmt.Sprintf("%s is held by %s (%s, pid %d, epoch %d)",
		e.What, e.Holder.Instance, e.Holder.Program, e.Holder.PID, e.Holder.Epoch)
}

// Unwrap returns ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

// NotPrimaryError is ErrNotPrimary with where the primary is, if known.
type NotPrimaryError struct {
	Endpoints []Endpoint
	Epoch     uint64
}

// Error names the endpoint.
func (e *NotPrimaryError) Error() string {
	if len(e.Endpoints) == 0 {
		return "not the primary, and the primary is not known"
	}
	return fmt.Sprintf("not the primary; epoch %d is served at %s", e.Epoch, e.Endpoints[0])
}

// Unwrap returns ErrNotPrimary.
func (e *NotPrimaryError) Unwrap() error { return ErrNotPrimary }

// OutcomeUnknownError is ErrOutcomeUnknown with the write to ask about.
type OutcomeUnknownError struct {
	ID    WriteID // zero: the call carried none
	Cause error   // may be nil
}

// Error names the write id and the cause.
func (e *OutcomeUnknownError) Error() string {
	s := "outcome unknown"
	if e.ID.Sequence != 0 {
		s += fmt.Sprintf(" of write %s/%d", e.ID.Incarnation, e.ID.Sequence)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns ErrOutcomeUnknown and the cause.
func (e *OutcomeUnknownError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrOutcomeUnknown}
	}
	return []error{ErrOutcomeUnknown, e.Cause}
}

// SQLError is an error of the database engine, the same on every role. It is not
// one of the closed set: errors.As finds it.
type SQLError struct {
	// SQLite's extended result code, https://www.sqlite.org/rescode.html. As JSON it has
	// the name that go-sqlite3 gives it, by which GORM finds it.
	Extended int    `json:"ExtendedCode"`
	Text     string // as the engine gave it
}

// Error returns the engine's text.
func (e *SQLError) Error() string { return e.Text }

// Code returns SQLite's extended result code.
func (e *SQLError) Code() int { return e.Extended }

// CallError is what a bus handler of the application returned, when it is not of
// the closed set.
type CallError struct {
	Method string
	Text   string
}

// Error names the method.
func (e *CallError) Error() string { return e.Method + ": " + e.Text }

// StageError says where an error happened. The kernel adds it once.
type StageError struct {
	Stage  Stage
	Plugin string
	Op     string
	Err    error
}

// Error names stage, plugin and operation.
func (e *StageError) Error() string {
	return fmt.Sprintf("%s stage (%s): %s: %v", e.Stage, e.Plugin, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *StageError) Unwrap() error { return e.Err }
