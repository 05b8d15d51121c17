package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// there sends err over the wire.
func there(t *testing.T, err error) error {
	t.Helper()
	got, bad := DecodeError(AppendError(nil, err))
	if bad != nil {
		t.Fatalf("decode %v: %v", err, bad)
	}
	if err != nil && (got == nil || got.Error() != err.Error()) {
		t.Fatalf("text: got %q, want %q", got, err)
	}
	return got
}

func TestEverySentinelThereAndBack(t *testing.T) {
	if len(sentinels) != 18 {
		t.Fatalf("%d sentinels, want 15 of sdk and 3 of the standard library", len(sentinels))
	}
	for _, s := range sentinels {
		t.Run(s.err.Error(), func(t *testing.T) {
			if got := there(t, s.err); got != s.err {
				t.Errorf("got %v, want the sentinel itself", got)
			}
			got := there(t, fmt.Errorf("open x: %w: because\xff\x00", s.err))
			for _, other := range sentinels {
				if errors.Is(got, other.err) != (other == s) {
					t.Errorf("errors.Is(%v) = %v", other.err, other != s)
				}
			}
		})
	}
	if there(t, nil) != nil {
		t.Error("nil became an error")
	}
}

func TestTypedErrorsKeepTheirFields(t *testing.T) {
	list := []error{
		&sdk.HeldError{Holder: sdk.Record{Instance: "a", PID: 7, Epoch: 3, Endpoints: []sdk.Endpoint{"unix:///s"}}, What: "/x"},
		&sdk.HeldError{},
		&sdk.NotPrimaryError{Endpoints: []sdk.Endpoint{"a", ""}, Epoch: 1 << 63},
		&sdk.OutcomeUnknownError{ID: sdk.WriteID{Incarnation: "ab", Sequence: 9}, Cause: context.DeadlineExceeded},
		&sdk.OutcomeUnknownError{},
		&sdk.SQLError{Extended: 2067, Text: "UNIQUE constraint failed: t.a (2067)"},
		&sdk.SQLError{Extended: -1},
		&sdk.CallError{Method: "m", Text: "no"},
		&sdk.StageError{Stage: sdk.StageLock, Plugin: "p", Op: "acquire", Err: sdk.ErrHeld},
		&sdk.StageError{Err: &sdk.HeldError{What: "y"}},
	}
	for _, want := range list {
		if got := there(t, want); !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
		wrapped := there(t, fmt.Errorf("a: %w", errors.Join(io.ErrClosedPipe, want)))
		target := reflect.New(reflect.TypeOf(want))
		if !errors.As(wrapped, target.Interface()) || !reflect.DeepEqual(target.Elem().Interface(), want) {
			t.Errorf("wrapped %#v: not found in %#v", want, wrapped)
		}
		if sdk.CodeOf(wrapped) != sdk.CodeOf(want) {
			t.Errorf("wrapped %#v: code %d", want, sdk.CodeOf(wrapped))
		}
	}
}

func TestSeveralKindsInOneTreeStayMatchable(t *testing.T) {
	unknown := &sdk.OutcomeUnknownError{ID: sdk.WriteID{Incarnation: "i", Sequence: 1},
		Cause: fmt.Errorf("commit: %w", context.DeadlineExceeded)}
	got := there(t, errors.Join(fmt.Errorf("x: %w", unknown), sdk.ErrUnclean, errors.New("other")))
	for _, want := range []error{sdk.ErrOutcomeUnknown, context.DeadlineExceeded, sdk.ErrUnclean} {
		if !errors.Is(got, want) {
			t.Errorf("%v is lost", want)
		}
	}
	if errors.Is(got, sdk.ErrInternal) || sdk.CodeOf(got) != sdk.CodeOf(sdk.ErrOutcomeUnknown) {
		t.Errorf("code %d, want the first", sdk.CodeOf(got))
	}
	if again := there(t, got); !reflect.DeepEqual(again, got) {
		t.Errorf("a second crossing changed it: %#v, want %#v", again, got)
	}
}

func TestUnknownErrorBecomesInternal(t *testing.T) {
	for _, err := range []error{
		errors.New(""),
		errors.New("disk on fire"),
		fmt.Errorf("a: %w", os.ErrNotExist),
		errors.Join(errors.New("a"), errors.New("b")),
		&sdk.StageError{Stage: sdk.StageStore, Plugin: "p", Op: "o", Err: errors.New("x")},
		fmt.Errorf("boot: %w", &sdk.StageError{Err: io.ErrNoProgress}),
		&sdk.StageError{},
	} {
		got := there(t, err)
		if _, bare := err.(*sdk.StageError); bare && err.(*sdk.StageError).Err == nil {
			continue // says where, wraps nothing: stays as it is
		}
		if !errors.Is(got, sdk.ErrInternal) {
			t.Errorf("%q is not ErrInternal: %#v", err, got)
		}
	}
	got := there(t, &sdk.OutcomeUnknownError{Cause: errors.New("pulled out")})
	if errors.Is(got, sdk.ErrInternal) {
		t.Error("the unknown cause of a known error made it internal")
	}
}

// timeout says by a method what it is, as errors of package net do.
type timeout struct{}

func (timeout) Error() string        { return "i/o timeout" }
func (timeout) Is(target error) bool { return target == context.DeadlineExceeded }

func TestErrorsWithAnIsMethodStayMatchable(t *testing.T) {
	got := there(t, &net.OpError{Op: "read", Net: "unix", Err: timeout{}})
	if !errors.Is(got, context.DeadlineExceeded) || errors.Is(got, sdk.ErrInternal) {
		t.Errorf("got %#v", got)
	}
}

func TestNilPointerInAnErrorDoesNotPanic(t *testing.T) {
	var held *sdk.HeldError
	var unknown *sdk.OutcomeUnknownError
	for _, err := range []error{held, unknown, fmt.Errorf("a: %w", unknown), &sdk.StageError{Err: unknown}} {
		got, bad := DecodeError(AppendError(nil, err))
		if bad != nil || !errors.Is(got, sdk.ErrInternal) {
			t.Errorf("got %v, %v", got, bad)
		}
	}
}

func TestDeepErrorIsCutNotRefused(t *testing.T) {
	deep := error(sdk.ErrFenced)
	for i := range 1000 {
		if i%2 == 0 {
			deep = &sdk.StageError{Stage: "s", Err: deep}
		} else {
			deep = fmt.Errorf("%w", deep)
		}
	}
	there(t, deep)
	nested := []byte{0x0a, 0}
	for range 300 {
		nested, _ = appendNested(nested)
	}
	if _, bad := DecodeError(nested); !errors.Is(bad, sdk.ErrInvalid) || !strings.Contains(bad.Error(), "deep") {
		t.Errorf("bad = %v", bad)
	}
}

// appendNested makes in the cause of an error.
func appendNested(in []byte) ([]byte, error) {
	b, m := open(nil, 9, len(in))
	return shut(append(b, in...), m), nil
}

func TestErrorKindOfANewerVersion(t *testing.T) {
	got, bad := DecodeError(appendUint[sdk.Code](nil, 2, 99))
	if bad != nil || !errors.Is(got, sdk.ErrInternal) || !strings.Contains(got.Error(), "99") {
		t.Errorf("got %v, %v", got, bad)
	}
}
