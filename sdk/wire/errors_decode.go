package wire

import (
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// remote is an error that wrapped others on the other side: its text, and what it
// was.
type remote struct {
	text string
	is   []error
}

func (e *remote) Error() string   { return e.text }
func (e *remote) Unwrap() []error { return e.is }

// DecodeError reads what AppendError wrote: err is that error (nil for no bytes),
// bad says why b could not be read.
func DecodeError(b []byte) (err error, bad error) { //nolint:staticcheck // err is a value here, not an outcome
	if len(b) == 0 {
		return nil, nil
	}
	return decodeNode(b, 0)
}

// node is an error as read, before it is known what to make of it.
type node struct {
	remote
	hasText bool
	whole   error // a typed error: stands for all
}

func decodeNode(b []byte, depth int) (error, error) { //nolint:staticcheck // as DecodeError
	var n node
	r := reader{what: "Error", rest: b}
	if depth > maxErrorDepth+1 {
		r.refuse("errors nested too deep")
	}
	for r.next() {
		switch r.num {
		case 1:
			n.text, n.hasText = r.text(), true
		case 2:
			n.is = append(n.is, errorOf(r.uint()))
		case 3, 4, 5, 6, 7, 8:
			n.whole = decodeTyped(&r, depth)
		case 9:
			n.is = append(n.is, cause(&r, depth))
		}
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case n.whole != nil:
		return n.whole, nil
	case !n.hasText && len(n.is) == 1:
		return n.is[0], nil
	case !n.hasText:
		n.text, n.is = "an error without a text", append(n.is, sdk.ErrInternal)
	}
	return &n.remote, nil
}

// errorOf returns the sentinel of a code. One that only newer versions know becomes
// an internal error that says so.
func errorOf(code uint64) error {
	for _, s := range sentinels {
		if uint64(s.code) == code {
			return s.err
		}
	}
	return &remote{fmt.Sprintf("error of kind %d, which this version does not know", code), []error{sdk.ErrInternal}}
}

// cause decodes a nested error.
func cause(r *reader, depth int) error {
	err, bad := decodeNode(r.body(), depth+1)
	if r.err == nil {
		r.err = bad
	}
	return err
}

// decodeTyped decodes the error type of the field that r is at.
func decodeTyped(r *reader, depth int) error {
	in := reader{what: "Error", rest: r.body()}
	var err error
	switch r.num {
	case 3:
		err = decodeHeld(&in)
	case 4:
		err = decodeNotPrimary(&in)
	case 5:
		err = decodeUnknown(&in, depth)
	case 6:
		err = decodeSQL(&in)
	case 7:
		err = decodeCall(&in)
	case 8:
		err = decodeStage(&in, depth)
	}
	if r.err == nil {
		r.err = in.err
	}
	return err
}

func decodeHeld(r *reader) error {
	r.what = "HeldError"
	e := &sdk.HeldError{}
	for r.next() {
		switch r.num {
		case 1:
			sub(r, &e.Holder, DecodeRecord)
		case 2:
			e.What = r.text()
		}
	}
	return e
}

func decodeNotPrimary(r *reader) error {
	r.what = "NotPrimaryError"
	e := &sdk.NotPrimaryError{}
	for r.next() {
		switch r.num {
		case 1:
			texts(r, &e.Endpoints)
		case 2:
			e.Epoch = r.uint()
		}
	}
	return e
}

func decodeUnknown(r *reader, depth int) error {
	r.what = "OutcomeUnknownError"
	e := &sdk.OutcomeUnknownError{}
	for r.next() {
		switch r.num {
		case 1:
			sub(r, &e.ID, DecodeWriteID)
		case 2:
			e.Cause = cause(r, depth)
		}
	}
	return e
}

func decodeSQL(r *reader) error {
	r.what = "SQLError"
	e := &sdk.SQLError{}
	for r.next() {
		switch r.num {
		case 1:
			e.Extended = r.int()
		case 2:
			e.Text = r.text()
		}
	}
	return e
}

func decodeCall(r *reader) error {
	r.what = "CallError"
	e := &sdk.CallError{}
	for r.next() {
		switch r.num {
		case 1:
			e.Method = r.text()
		case 2:
			e.Text = r.text()
		}
	}
	return e
}

func decodeStage(r *reader, depth int) error {
	r.what = "StageError"
	e := &sdk.StageError{}
	for r.next() {
		switch r.num {
		case 1:
			e.Stage = sdk.Stage(r.text())
		case 2:
			e.Plugin = r.text()
		case 3:
			e.Op = r.text()
		case 4:
			e.Err = cause(r, depth)
		}
	}
	return e
}
