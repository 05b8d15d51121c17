package unix

import (
	"bufio"
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// handMade dials a server that does serve after the handshake and nothing else.
func handMade(t *testing.T, serve func(*net.UnixConn)) (context.Context, sdk.Link) {
	t.Helper()
	sdktest.NoLeaks(t)
	ctx, run, path := testCtx(t), openAt(t, defaultLimits()), filepath.Join(privateDir(t), "s0")
	stranger(t, path, func(c net.Conn) {
		t.Cleanup(func() { _ = c.Close() })
		if _, err := answer(c.(*net.UnixConn), serverScope); err == nil {
			serve(c.(*net.UnixConn))
		}
	})
	l, err := run.Transport().Dial(ctx, clientScope, []sdk.Endpoint{endpointOf(path)})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, l
}

func TestGoodbyeSaysWhatWasNotExecuted(t *testing.T) {
	for complete, want := range map[byte]error{0: sdk.ErrOutcomeUnknown, 1: sdk.ErrUnavailable} {
		ctx, l := handMade(t, func(c *net.UnixConn) {
			_, _ = readFrame(bufio.NewReader(c))
			_, _ = c.Write(appendFrame(nil, kindGoodbye, 0, []byte{complete}))
		})
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
	ctx, l := handMade(t, func(*net.UnixConn) {})
	for range 6 { // the first fill the socket, the later ones find no room
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
	ctx, l := handMade(t, func(*net.UnixConn) {})
	result := make(chan error, 2)
	call := func(size int) {
		_, err := l.Call(ctx, sdk.Message{Op: "x", Body: make([]byte, size)})
		result <- err
	}
	out := l.(*link).out
	backlog := func() int {
		out.mu.Lock()
		defer out.mu.Unlock()
		return out.backlogLocked()
	}
	until := func(n int) {
		for backlog() < n && ctx.Err() == nil {
			time.Sleep(time.Millisecond) // between two looks
		}
	}
	go call(8 << 20)
	until(4 << 20)
	before := backlog()
	go call(1000)
	until(before + 1000)
	l.(*link).cut(errors.New("test"))
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

// TestServerClosedWhileProvingSaysGoodbye closes the server as soon as a link
// believes that it stands, which may be before the server knows of it.
func TestServerClosedWhileProvingSaysGoodbye(t *testing.T) {
	sdktest.NoLeaks(t)
	tr := openAt(t, defaultLimits()).Transport()
	for round := range 300 {
		at := []sdk.Endpoint{endpointOf(filepath.Join(privateDir(t), "s0"))}
		s, err := tr.Serve(testCtx(t), sdk.Scope{Workspace: "w"}, at, echo{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := tr.Dial(testCtx(t), sdk.Scope{Workspace: "w"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(testCtx(t)); err != nil {
			t.Fatal(err)
		}
		if err := l.Wait(testCtx(t)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
