package wire

import (
	"context"
	"io"

	"github.com/ramet-io/ramet/sdk"
)

// Codes of errors of the standard library that keep their identity. They lie above
// every sdk.Code.
const (
	codeCanceled sdk.Code = 1001 // context.Canceled
	codeDeadline sdk.Code = 1002 // context.DeadlineExceeded
	codeEOF      sdk.Code = 1003 // io.EOF
)

// maxErrorDepth bounds how deep an error is followed. What lies deeper keeps its
// text, not its kind.
const maxErrorDepth = 64

// sentinels is every error that errors.Is must still find, with its code, in a
// fixed order.
var sentinels = func() []sentinel {
	list := []sentinel{{codeCanceled, context.Canceled}, {codeDeadline, context.DeadlineExceeded}, {codeEOF, io.EOF}}
	for c := sdk.Code(1); sdk.KindOf(c) != nil; c++ {
		list = append(list, sentinel{c, sdk.KindOf(c)})
	}
	return list
}()

type sentinel struct {
	code sdk.Code
	err  error
}

// AppendError appends err; nil appends nothing.
//
// The other side gets an error with the same text. errors.Is finds in it every
// error of the closed set, [context.Canceled], [context.DeadlineExceeded] and
// [io.EOF] that it finds in err; errors.As finds every typed error of package sdk.
// Sentinels keep their identity (==). An error with nothing of all this in it
// becomes [sdk.ErrInternal], with its text. Other types and values are lost.
func AppendError(b []byte, err error) []byte {
	if err == nil {
		return b
	}
	return appendNode(b, err, !settled(err), 0)
}

// appendNode appends one error of the tree. With internal, what nobody knows is
// marked as sdk.ErrInternal.
func appendNode(b []byte, err error, internal bool, depth int) []byte {
	if c := sentinelCode(err); c != 0 {
		return appendUint(b, 2, c)
	}
	switch f := typedField(err); {
	case f > 0:
		return appendTyped(b, f, err, internal, depth)
	case f < 0:
		return appendUint(appendItem(b, 1, "<nil>"), 2, sdk.CodeOf(sdk.ErrInternal))
	}
	b = appendItem(b, 1, err.Error())
	known := false
	for _, c := range ownCodes(err) {
		b, known = appendUint(b, 2, c), true
	}
	if depth < maxErrorDepth {
		for _, cause := range causes(err) {
			if notable(cause, depth+1) {
				b, known = appendCause(b, 9, cause, internal, depth+1), true
			}
		}
	}
	if internal && !known {
		b = appendUint(b, 2, sdk.CodeOf(sdk.ErrInternal))
	}
	return b
}

// appendTyped appends an error type of package sdk by its fields; its text follows
// from them.
func appendTyped(b []byte, f number, err error, internal bool, depth int) []byte {
	b, m := open(b, f, 0)
	switch e := err.(type) {
	case *sdk.HeldError:
		b = appendSub(b, 1, e.Holder, AppendRecord)
		b = appendText(b, 2, e.What)
	case *sdk.NotPrimaryError:
		b = appendTexts(b, 1, e.Endpoints)
		b = appendUint(b, 2, e.Epoch)
	case *sdk.OutcomeUnknownError:
		b = appendSub(b, 1, e.ID, AppendWriteID)
		b = appendCause(b, 2, e.Cause, false, depth+1)
	case *sdk.SQLError:
		b = appendInt(b, 1, e.Extended)
		b = appendText(b, 2, e.Text)
	case *sdk.CallError:
		b = appendText(b, 1, e.Method)
		b = appendText(b, 2, e.Text)
	case *sdk.StageError:
		b = appendText(b, 1, e.Stage)
		b = appendText(b, 2, e.Plugin)
		b = appendText(b, 3, e.Op)
		b = appendCause(b, 4, e.Err, internal, depth+1)
	}
	return shut(b, m)
}

// appendCause appends a nested error; nil appends nothing.
func appendCause(b []byte, num number, err error, internal bool, depth int) []byte {
	if err == nil {
		return b
	}
	b, m := open(b, num, 0)
	if depth > maxErrorDepth {
		b = appendItem(b, 1, err.Error())
	} else {
		b = appendNode(b, err, internal, depth)
	}
	return shut(b, m)
}

// typedField returns the field number of err's type; 0 if it is not a type of
// package sdk, -1 for a nil pointer to one, which has neither fields nor a text.
func typedField(err error) number {
	switch e := err.(type) {
	case *sdk.HeldError:
		return present(e, 3)
	case *sdk.NotPrimaryError:
		return present(e, 4)
	case *sdk.OutcomeUnknownError:
		return present(e, 5)
	case *sdk.SQLError:
		return present(e, 6)
	case *sdk.CallError:
		return present(e, 7)
	case *sdk.StageError:
		return present(e, 8)
	}
	return 0
}

func present[T any](p *T, num number) number {
	if p == nil {
		return -1
	}
	return num
}

// sentinelCode returns the code if err is itself a sentinel.
func sentinelCode(err error) sdk.Code {
	for _, s := range sentinels {
		if err == s.err {
			return s.code
		}
	}
	return 0
}

// ownCodes returns the sentinels that err says it is by an Is method, like the
// time-outs of package net.
func ownCodes(err error) []sdk.Code {
	e, ok := err.(interface{ Is(error) bool })
	if !ok {
		return nil
	}
	var list []sdk.Code
	for _, s := range sentinels {
		if e.Is(s.err) {
			list = append(list, s.code)
		}
	}
	return list
}

// causes returns what err wraps.
func causes(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			return []error{cause}
		}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

// notable reports whether anything in err's tree is worth its own node.
func notable(err error, depth int) bool {
	return search(err, depth, func(f number) bool { return f > 0 })
}

// settled reports whether anything in err's tree says what kind of error it is. A
// StageError only says where it happened.
func settled(err error) bool {
	return search(err, 0, func(f number) bool { return f > 0 && f != 8 })
}

// search looks through err's tree for a sentinel or a type that match takes.
func search(err error, depth int, match func(number) bool) bool {
	if err == nil || depth > maxErrorDepth {
		return false
	}
	f := typedField(err)
	if f < 0 {
		return false
	}
	if sentinelCode(err) != 0 || match(f) || len(ownCodes(err)) > 0 {
		return true
	}
	for _, cause := range causes(err) {
		if search(cause, depth+1, match) {
			return true
		}
	}
	return false
}
