package remote

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

const strayEntry = "the plugin broke the rules of the frames"

// TestPluginSendsFramesNobodyCanRead: the carrier ends with the reason, and so does
// the plugin.
func TestPluginSendsFramesNobodyCanRead(t *testing.T) {
	for role, want := range map[string]string{"garbage": "it starts with byte", "over cap": "the limit is"} {
		t.Run(role, func(t *testing.T) {
			sdktest.NoLeaks(t)
			r := openProgram(t, program(t, role), nil)
			_, err := r.Transport().Dial(within(t), sdk.Scope{}, nil)
			if !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), want) {
				t.Errorf("the call: %v", err)
			}
			if h, err := r.WaitHealth(within(t), 1); err != nil || h.Condition != sdk.Failed || !strings.Contains(h.Reason, want) {
				t.Errorf("health %+v, %v", h, err)
			}
		})
	}
}

// TestPluginAnswersWithWrongIDsOrTwice, or asks for what does not exist: it is told
// once, and the calls are not disturbed.
func TestPluginAnswersWithWrongIDsOrTwice(t *testing.T) {
	for _, role := range []string{"wrong ids", "twice", "no such op"} {
		t.Run(role, func(t *testing.T) {
			sdktest.NoLeaks(t)
			j, log := newJournal(hclog.Info)
			l := dial(t, openProgram(t, program(t, role), log))
			for range 20 {
				if got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: []byte("x")}); err != nil || string(got) != "x" {
					t.Fatalf("got %q, %v", got, err)
				}
			}
			if n := len(j.entries(t, strayEntry)); role != "no such op" && n != 1 {
				t.Errorf("it was told %d times", n)
			}
		})
	}
}

// TestPluginAnswersAfterTheDeadline: the caller is gone by then, and nothing is
// strange about it.
func TestPluginAnswersAfterTheDeadline(t *testing.T) {
	sdktest.NoLeaks(t)
	j, log := newJournal(hclog.Info)
	r := openProgram(t, program(t, "good"), log)
	l := dial(t, r)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Call(ctx, sdk.Message{Op: "deaf"}); !errors.Is(err, sdk.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call: %v", err)
	}
	eventually(t, "the late answer came", func() bool { return r.c.conn.calls.forgottenCalls() == 0 })
	if got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: []byte("x")}); err != nil || string(got) != "x" {
		t.Errorf("the next call: %q, %v", got, err)
	}
	if n := len(j.entries(t, strayEntry)); n != 0 {
		t.Errorf("a late answer was called strange %d times", n)
	}
}

// TestCommitThatOutlastsItsDeadlineIsWaitedFor: its outcome is about to be known, and
// a primary would step down for an unknown one.
func TestCommitThatOutlastsItsDeadlineIsWaitedFor(t *testing.T) {
	sdktest.NoLeaks(t)
	db, err := openProgram(t, program(t, "good"), nil).Store().Open(within(t), sdk.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if got, err := db.Apply(ctx, 1, nil); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCancelledCallIsCancelledInThePlugin(t *testing.T) {
	sdktest.NoLeaks(t)
	l := dial(t, openProgram(t, program(t, "good"), nil))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := l.Call(ctx, sdk.Message{Op: "wait"}); !errors.Is(err, context.Canceled) || errors.Is(err, sdk.ErrOutcomeUnknown) {
		t.Errorf("the plugin's own answer was expected: %v", err)
	}
	if _, err := l.Call(ctx, sdk.Message{Op: "wait"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call whose context had ended: %v", err)
	}
	late, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Call(late, sdk.Message{Op: "wait"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call whose deadline passed: %v", err)
	}
}

// TestBodiesLargerThanAFrame: more than gRPC's 4 MiB goes, and more than a frame
// takes, in parts.
func TestBodiesLargerThanAFrame(t *testing.T) {
	for _, carrier := range []string{CarrierSocketpair, CarrierStream} {
		t.Run(carrier, func(t *testing.T) {
			sdktest.NoLeaks(t)
			p := program(t, "good")
			p.Carrier = carrier
			l := dial(t, openProgram(t, p, nil))
			for _, size := range []int{partBytes - 1, partBytes + 1, 5 << 20, sdk.MaxMessageBytes, 50 << 20} {
				if got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: make([]byte, size)}); err != nil || len(got) != size {
					t.Errorf("%d bytes: got %d, %v", size, len(got), err)
				}
			}
			if got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: []byte("x")}); err != nil || string(got) != "x" {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

// TestManyCallersOverOneCarrier, with answers in any order.
func TestManyCallersOverOneCarrier(t *testing.T) {
	for _, carrier := range []string{CarrierSocketpair, CarrierStream} {
		t.Run(carrier, func(t *testing.T) {
			sdktest.NoLeaks(t)
			p := program(t, "good")
			p.Carrier = carrier
			l := dial(t, openProgram(t, p, nil))
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() {
					for n := range 50 {
						body := strings.Repeat(string(rune('a'+i%26)), 1+(i*n)%5000)
						got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: []byte(body)})
						if err != nil || string(got) != body {
							t.Errorf("caller %d got %.20q, %v, want %.20q", i, got, err, body)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
