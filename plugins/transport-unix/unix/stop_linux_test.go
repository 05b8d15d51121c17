package unix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// clientVar, if set, makes the test binary a client of the socket it names. It
// subscribes to everything and prints a line when it has, and one per loss.
const clientVar = "RAMET_TEST_CLIENT_OF"

func TestMain(m *testing.M) {
	if at := os.Getenv(clientVar); at != "" {
		os.Exit(runClient(sdk.Endpoint(at)))
	}
	if at := os.Getenv(intruderVar); at != "" {
		os.Exit(runIntruder(at))
	}
	os.Exit(m.Run())
}

// runClient ends with the server.
func runClient(at sdk.Endpoint) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := New().Open(ctx, sdk.Env{})
	if err != nil {
		return 1
	}
	l, err := r.Transport().Dial(ctx, clientScope, []sdk.Endpoint{at})
	if err != nil {
		return 2
	}
	sub, err := l.Subscribe(ctx, "")
	if err != nil {
		return 3
	}
	fmt.Println("subscribed")
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			break
		}
		if e.Lost > 0 {
			fmt.Println("lost", e.Lost)
		}
		if e.Topic == "end" {
			fmt.Println("end")
		}
	}
	if l.Wait(ctx) != nil {
		return 4
	}
	return 0
}

// startClient runs a client process until the test's end.
func startClient(t *testing.T, r *rig) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(r.ctx, os.Args[0])
	cmd.Env = append(os.Environ(), clientVar+"="+string(r.srv.Bound()[0]))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "subscribed" {
		t.Fatalf("the client said %q", lines.Text())
	}
	return cmd, lines
}

// The old implementation froze everybody when one subscriber was stopped.
func TestStoppedSubscriberProcessSlowsNobody(t *testing.T) {
	r := newRig(t, stream.DefaultLimits(), echo{})
	cmd, lines := startClient(t, r)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	good := r.link()
	sub, err := good.Subscribe(r.ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 4096)
	const n, batch = 10000, 50
	for i := range n {
		if err := r.srv.Publish(r.ctx, sdk.Event{Topic: "t", Body: body}); err != nil {
			t.Fatal(err)
		}
		for range batch * ((i % batch) / (batch - 1)) { // after each batch
			if e, err := sub.Next(r.ctx); err != nil || e.Lost > 0 {
				t.Fatalf("the subscriber that runs: %+v, %v", e.Lost, err)
			}
		}
	}
	r.works(good)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	lost, ended := false, false
	said := make(chan string)
	go func() {
		defer close(said)
		for lines.Scan() {
			said <- lines.Text()
		}
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ended {
		select {
		case line, ok := <-said:
			if !ok {
				t.Fatal("the client ended early")
			}
			lost, ended = lost || strings.HasPrefix(line, "lost"), line == "end"
		case <-tick.C: // a full queue may have dropped the one before
			if err := r.srv.Publish(r.ctx, sdk.Event{Topic: "end"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !lost {
		t.Error("the stopped client was not told of its losses")
	}
	if err := r.srv.Close(r.ctx); err != nil {
		t.Error(err)
	}
	for range said {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the client saw no goodbye: %v", err)
	}
}

func TestKilledClientEndsItsSession(t *testing.T) {
	ended := make(chan sdk.Peer, 1)
	r := newRig(t, stream.DefaultLimits(), ending{ended: ended})
	cmd, _ := startClient(t, r)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-ended:
		if p.PID != cmd.Process.Pid || p.UID != os.Getuid() {
			t.Errorf("pid %d, uid %d ended, want %d, %d", p.PID, p.UID, cmd.Process.Pid, os.Getuid())
		}
	case <-r.ctx.Done():
		t.Error("the session did not end")
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("Wait: %v", err)
	}
}

type ending struct {
	echo
	ended chan<- sdk.Peer
}

func (e ending) Ended(from sdk.Peer) { e.ended <- from }
