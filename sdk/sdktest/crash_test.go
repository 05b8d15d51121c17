package sdktest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// TestCrashablePassesEveryMethodOn calls each method of each near side, of a living
// plugin and of a dead one.
func TestCrashablePassesEveryMethodOn(t *testing.T) {
	f := &far{err: local{sdk.ErrUnclean}}
	for _, dead := range []bool{false, true} {
		NoLeaks(t)
		p := &process{c: Crashable(farPlugin{f}), inner: farRunning{&far{}}, dead: make(chan struct{}), gone: make(chan struct{})}
		if dead {
			p.die()
			<-p.gone
		}
		for _, near := range []any{crashPorts{p, farPorts{f}}, crashWatcher{p, farWatcher{f}}, crashLock{p, farLock{f}},
			crashLease{p, farLease{f}}, crashStore{p, farStore{f}}, crashDB{p, farDB{f}}, crashRows{p, farRows{f}},
			crashFeed{p, farFeed{f}}, crashTx{p, farTx{f}}, crashTransport{p, farTransport{f}}, crashServer{p, farServer{f}},
			crashLink{p, farLink{f}}, crashSubscription{p, farSubscription{f}}, crashHandler{p, farHandler{f}}} {
			v := reflect.ValueOf(near)
			for i := range v.NumMethod() {
				crashMethod(t, f, v.Type().Method(i).Name, near, v.Method(i), dead)
			}
		}
	}
}

func crashMethod(t *testing.T, f *far, name string, near any, method reflect.Value, dead bool) {
	f.called = ""
	out := method.Call(zeroArguments(method.Type()))
	var err error
	fails := false
	if len(out) > 0 {
		fails = method.Type().Out(len(out)-1) == reflect.TypeFor[error]()
		err, _ = out[len(out)-1].Interface().(error)
	}
	local := name == "Terms" || name == "Columns" || name == "Bound" || name == "Server" || name == "Ended"
	ends := name == "Close" || name == "Release" || name == "Rollback"
	switch {
	case (!dead || local) && f.called != name:
		t.Errorf("%T.%s called %q", near, name, f.called)
	case dead && !local && f.called != "":
		t.Errorf("%T.%s of a dead plugin called %q", near, name, f.called)
	case !fails:
	case !dead && !errors.Is(err, sdk.ErrUnclean):
		t.Errorf("%T.%s: the error came back as %v", near, name, err)
	case dead && ends && err != nil:
		t.Errorf("%T.%s of a dead plugin: %v, want nil", near, name, err)
	case dead && !ends && !errors.Is(err, sdk.ErrUnavailable):
		t.Errorf("%T.%s of a dead plugin: %v, want ErrUnavailable", near, name, err)
	}
}

// TestCrashReleasesWhatWasHeld, tells by the health, and a new one can be opened.
func TestCrashReleasesWhatWasHeld(t *testing.T) {
	NoLeaks(t)
	c := Crashable(MemLock())
	dir := t.TempDir()
	ctx := lockContext(t)
	r, err := c.Open(ctx, sdk.Env{Workspace: sdk.Workspace{StateDir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.WaitHealth(ctx, 0)
	if err != nil || h.Condition != sdk.Ready || h.PID == 0 {
		t.Fatalf("health %+v, %v; want ready and a pid", h, err)
	}
	lease := lockMust(t, r.Lock(), 1)
	health := make(chan sdk.Health, 1)
	go func() {
		h, _ := r.WaitHealth(ctx, h.Number)
		health <- h
	}()
	waiting := lockAwait(ctx, r.Lock(), lockClaim(2))
	c.Crash()
	if got := <-health; got.Condition != sdk.Failed || got.Reason == "" || got.Number <= h.Number {
		t.Errorf("health after the crash: %+v", got)
	}
	if got := <-waiting; !errors.Is(got.err, sdk.ErrOutcomeUnknown) && !errors.Is(got.err, sdk.ErrUnavailable) {
		t.Errorf("the call in flight: %v", got.err)
	}
	if err := errors.Join(lease.Release(ctx), r.Close(ctx), r.Close(ctx)); err != nil {
		t.Error(err)
	}
	again, err := c.Open(ctx, sdk.Env{Workspace: sdk.Workspace{StateDir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	lockMust(t, again.Lock(), 3)
	if err := again.Close(ctx); err != nil {
		t.Error(err)
	}
	if got := c.Opened(); got != 2 {
		t.Errorf("opened %d times, want 2", got)
	}
}

// TestCrashAroundAMethod: before it nothing was done, after it all was; the caller
// cannot tell which.
func TestCrashAroundAMethod(t *testing.T) {
	NoLeaks(t)
	for _, after := range []bool{false, true} {
		f := &far{}
		c := Crashable(farPlugin{f})
		r, err := c.Open(t.Context(), sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		db := crashDB{r.(crashRunning).p, farDB{f}}
		if after {
			c.CrashAfter("DB.Apply")
		} else {
			c.CrashBefore("DB.Apply")
		}
		if _, err := db.Status(t.Context()); err != nil {
			t.Errorf("another method before: %v", err)
		}
		_, err = db.Apply(t.Context(), 1, []sdk.Request{{}})
		if !errors.Is(err, sdk.ErrOutcomeUnknown) || (f.requests != nil) != after {
			t.Errorf("after=%v: %v, executed %v", after, err, f.requests != nil)
		}
		if _, err := db.Apply(t.Context(), 1, nil); !errors.Is(err, sdk.ErrUnavailable) {
			t.Errorf("a later call: %v, want ErrUnavailable", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestCrashableRefusesToOpen(t *testing.T) {
	c := Crashable(farPlugin{&far{}})
	c.RefuseOpen(sdk.ErrUnavailable)
	if _, err := c.Open(context.Background(), sdk.Env{}); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
