package stream

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func TestGoodbyeSaysWhatWasNotExecuted(t *testing.T) {
	for complete, want := range map[byte]error{0: sdk.ErrOutcomeUnknown, 1: sdk.ErrUnavailable} {
		r, l := handMade(t, func(c net.Conn, codec plain) {
			_, _ = codec.Read()
			_, _ = c.Write(codec.Append(nil, KindGoodbye, 0, nil, []byte{complete}))
		})
		ctx := r.ctx
		_, err := l.Call(ctx, sdk.Message{Op: "x"})
		if !errors.Is(err, want) || sdk.CodeOf(err) != sdk.CodeOf(want) {
			t.Errorf("goodbye %d: got %v, want %v", complete, err, want)
		}
		if err := l.Wait(ctx); err != nil {
			t.Errorf("Wait: %v", err)
		}
	}
}

func TestDeadlineHoldsWhenTheServerReadsNothing(t *testing.T) {
	r, l := handMade(t, func(net.Conn, plain) {})
	ctx := r.ctx
	full := func() bool {
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.backlogLocked() > r.host.Limits.OutBytes
	}
	for !full() && ctx.Err() == nil { // the first fill the socket
		brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err := l.Call(brief, sdk.Message{Op: "x", Body: make([]byte, 8<<20)})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := l.Call(brief, sdk.Message{Op: "x"})
	if !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("without room nothing is sent, got %v", err)
	}
}

func TestFrameThatNeverLeftWasNotExecuted(t *testing.T) {
	r, l := handMade(t, func(net.Conn, plain) {})
	ctx := r.ctx
	result := make(chan error, 2)
	call := func(size int) {
		_, err := l.Call(ctx, sdk.Message{Op: "x", Body: make([]byte, size)})
		result <- err
	}
	next := func() uint64 {
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.nextLocked()
	}
	until := func(n uint64) {
		for next() < n && ctx.Err() == nil {
			time.Sleep(time.Millisecond) // between two looks
		}
	}
	go call(8 << 20)
	until(8 << 20)
	before := next()
	go call(1000)
	until(before + 1000)
	l.cut(errors.New("test"))
	var unknown, unavailable int
	for range 2 {
		switch err := <-result; {
		case errors.Is(err, sdk.ErrOutcomeUnknown):
			unknown++
		default:
			unavailable++
		}
	}
	if unknown != 1 || unavailable != 1 {
		t.Errorf("%d unknown, %d certainly not executed, want 1 and 1", unknown, unavailable)
	}
}

func TestBreakIsNotAGoodbye(t *testing.T) {
	r, l := handMade(t, func(c net.Conn, codec plain) {
		_, _ = codec.Read()
		_ = c.Close()
	})
	if _, err := l.Call(r.ctx, sdk.Message{Op: "x"}); !errors.Is(err, sdk.ErrOutcomeUnknown) {
		t.Errorf("call in flight: %v", err)
	}
	if err := l.Wait(r.ctx); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("Wait: %v", err)
	}
}
