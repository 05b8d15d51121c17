package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// local is an error type that cannot cross a boundary; what it wraps can.
type local struct{ cause error }

func (e local) Error() string { return "local: " + e.cause.Error() }
func (e local) Unwrap() error { return e.cause }

// TestLoopbackPassesEveryMethodOn calls each method of each near side: the far
// side's method of that name must be called, and its error must come back as a
// boundary leaves it.
func TestLoopbackPassesEveryMethodOn(t *testing.T) {
	f := &far{err: local{sdk.ErrUnclean}}
	for _, near := range []any{loopRunning{farRunning{f}}, loopPorts{farPorts{f}}, loopWatcher{farWatcher{f}},
		loopLock{farLock{f}}, loopLease{farLease{f}}, loopStore{farStore{f}}, loopDB{farDB{f}}, loopRows{farRows{f}},
		loopFeed{farFeed{f}}, loopTx{farTx{f}}, loopTransport{farTransport{f}}, loopServer{farServer{f}}, loopLink{farLink{f}},
		loopSubscription{farSubscription{f}}, loopHandler{farHandler{f}}} {
		v := reflect.ValueOf(near)
		for i := range v.NumMethod() {
			name := v.Type().Method(i).Name
			f.called = ""
			out := v.Method(i).Call(zeroArguments(v.Method(i).Type()))
			if f.called != name {
				t.Errorf("%T.%s called %q", near, name, f.called)
			}
			if len(out) == 0 {
				continue
			}
			err, isError := out[len(out)-1].Interface().(error)
			if isError && (!errors.Is(err, sdk.ErrUnclean) || errors.As(err, new(local)) || err.Error() != f.err.Error()) {
				t.Errorf("%T.%s: the error came back as %#v", near, name, err)
			}
		}
	}
}

func zeroArguments(f reflect.Type) []reflect.Value {
	var args []reflect.Value
	for i := range f.NumIn() {
		if f.In(i) == reflect.TypeFor[context.Context]() {
			args = append(args, reflect.ValueOf(context.Background()))
			continue
		}
		args = append(args, reflect.Zero(f.In(i)))
	}
	return args
}

// TestLoopbackSharesNoMemory changes what was sent and what was received.
func TestLoopbackSharesNoMemory(t *testing.T) {
	f := &far{}
	db := loopDB{farDB{f}}
	args := []sdk.Request{{Statements: []sdk.Statement{{SQL: "x"}}}}
	got, err := db.Apply(t.Context(), 1, args)
	if err != nil || len(got) != 1 || got[0].RowsAffected != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	args[0].Statements[0].SQL = "changed"
	if f.requests[0].Statements[0].SQL != "x" {
		t.Error("the far side sees a change of the caller's slice")
	}
	f.err = local{io.EOF}
	if _, err := (loopRows{farRows{f}}).Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the rows came back as %v", err)
	}
}

func TestLoopbackOpensWithOptionsAndKeepsUndeclaredStagesNil(t *testing.T) {
	f := &far{}
	p := Loopback(farPlugin{f})
	if got := p.Describe(); got.Name != "far" {
		t.Errorf("Describe: %+v", got)
	}
	r, err := p.Open(t.Context(), sdk.Env{Options: []byte(`{"a":1}`), Workspace: sdk.Workspace{Dir: "/d\xff"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(f.env.Options) != `{"a":1}` || f.env.Workspace.Dir != "/d\xff" {
		t.Errorf("opened with %+v", f.env)
	}
	if r.Ports() != nil || r.Lock() != nil || r.Store() != nil || r.Transport() != nil || r.Watcher() != nil {
		t.Error("a stage that is not served is not nil")
	}
	f.err = fmt.Errorf("%w: no", sdk.ErrInvalid)
	if r, err := p.Open(t.Context(), sdk.Env{}); r != nil || !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a refused Open gave %v, %v", r, err)
	}
}
