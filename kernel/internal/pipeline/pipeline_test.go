package pipeline

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// rig records what its steps do; fail names the moves that return an error.
type rig struct {
	log  []string
	fail map[string]error
}

func (r *rig) pipeline() *Pipeline {
	var steps []Step
	for _, name := range []string{"ports", "lock", "store", "watcher"} {
		move := func(op string) func(context.Context) error {
			return func(ctx context.Context) error {
				if op == "stop" && ctx.Err() != nil {
					return ctx.Err()
				}
				r.log = append(r.log, op+" "+name)
				return r.fail[op+" "+name]
			}
		}
		steps = append(steps, Step{Name: name, Guard: name == "lock", Start: move("start"), Stop: move("stop")})
	}
	return New(nil, steps...)
}

func (r *rig) want(t *testing.T, moves string) {
	t.Helper()
	if got := strings.Join(r.log, ", "); got != moves {
		t.Errorf("moves:\n got %s\nwant %s", got, moves)
	}
	r.log = nil
}

func TestWalk(t *testing.T) {
	r := &rig{}
	p := r.pipeline()
	ctx := context.Background()
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return p.Advance(ctx) }, "start ports, start lock, start store, start watcher"},
		{func() error { return p.Rewind(ctx, "lock") }, "stop watcher, stop store"},
		{func() error { return p.Advance(ctx) }, "start store, start watcher"},
		{func() error { return p.Rewind(ctx, "ports") }, "stop watcher, stop store, stop lock"},
		{func() error { return p.Advance(ctx) }, "start lock, start store, start watcher"},
		{func() error { return p.Rewind(ctx, "") }, "stop watcher, stop store, stop lock, stop ports"},
		{func() error { return p.Rewind(ctx, "") }, ""},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		r.want(t, step.want)
	}
}

func TestFailedStartReleasesWhatItStarted(t *testing.T) {
	boom := errors.New("boom")
	r := &rig{fail: map[string]error{"start store": boom}}
	p := r.pipeline()
	if err := p.Advance(context.Background()); !errors.Is(err, boom) {
		t.Fatalf("got %v, want %v", err, boom)
	}
	r.want(t, "start ports, start lock, start store, stop lock, stop ports")
}

// TestFailedPromotionKeepsTheLock: a promotion that fails must leave the lock to
// the caller, who decides; only what the failed Advance started is released.
func TestFailedPromotionKeepsTheLock(t *testing.T) {
	r := &rig{fail: map[string]error{}}
	p := r.pipeline()
	ctx := context.Background()
	if err := errors.Join(p.Advance(ctx), p.Rewind(ctx, "lock")); err != nil {
		t.Fatal(err)
	}
	r.log, r.fail["start watcher"] = nil, errors.New("boom")
	if err := p.Advance(ctx); err == nil {
		t.Fatal("no error")
	}
	r.want(t, "start store, start watcher, stop store")
}

func TestGuardIsKeptWhenAWriterDidNotStop(t *testing.T) {
	r := &rig{fail: map[string]error{"stop store": errors.New("stuck")}}
	p := r.pipeline()
	ctx := context.Background()
	if err := p.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	r.log = nil
	if err := p.Rewind(ctx, ""); !errors.Is(err, sdk.ErrUnclean) {
		t.Fatalf("got %v, want ErrUnclean", err)
	}
	r.want(t, "stop watcher, stop store")
	if err := p.Advance(ctx); !errors.Is(err, sdk.ErrUnclean) {
		t.Fatalf("advance after unclean: got %v, want ErrUnclean", err)
	}
	r.want(t, "")
}

func TestCancelledCallerStillReleases(t *testing.T) {
	r := &rig{}
	p := r.pipeline()
	if err := p.Advance(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.log = nil
	if err := p.Rewind(ctx, ""); err != nil {
		t.Fatal(err)
	}
	r.want(t, "stop watcher, stop store, stop lock, stop ports")
}

func TestEveryMoveIsObserved(t *testing.T) {
	var got []string
	p := New(func(e Event) { got = append(got, e.Op+" "+e.Step) },
		Step{Name: "a", Start: func(context.Context) error { return nil }, Stop: func(context.Context) error { return nil }})
	if err := errors.Join(p.Advance(context.Background()), p.Rewind(context.Background(), "")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a", "stop a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
