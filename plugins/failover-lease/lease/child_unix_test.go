//go:build unix

package lease

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// The test binary runs itself as a holder of the lock: childEnv names what to do.
const childEnv = "RAMET_LEASE_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		if err := childMain(task, os.Getenv("RAMET_LEASE_DIR")); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childMain does task and reports one word a line; it ends with its standard
// input.
func childMain(task, dir string) error {
	ctx := context.Background()
	r, err := New().Open(ctx, sdk.Env{Workspace: sdk.Workspace{StateDir: dir}})
	if err != nil {
		return err
	}
	c := claim("child-" + strconv.Itoa(os.Getpid()))
	in := bufio.NewReader(os.Stdin)
	switch task {
	case "race":
		fmt.Println("ready")
		_, _ = in.ReadString('\n')
		if _, err := r.Lock().Acquire(ctx, c); err != nil {
			fmt.Println("lost")
		} else {
			fmt.Println("won")
		}
	case "flock":
		f, err := openLock(filepath.Join(dir, "lock"), true, false)
		if err != nil {
			return err
		}
		if err := syscall.Flock(f.fd, syscall.LOCK_EX); err != nil {
			return err
		}
		fmt.Println("won")
	case "hold", "takeover":
		l, err := childLease(ctx, r.Lock(), c, task)
		if err != nil {
			return err
		}
		c.Record.Epoch, c.Record.Lineage = l.Terms().Epoch+1, "lineage"
		if err := l.Announce(ctx, c.Record); err != nil {
			return err
		}
		fmt.Println("won")
		go func() {
			for l.Renew(ctx) == nil {
				time.Sleep(2 * time.Millisecond)
			}
			fmt.Println("fenced")
		}()
	}
	_, _ = io.Copy(io.Discard, in)
	return nil
}

func childLease(ctx context.Context, k sdk.Lock, c sdk.Claim, task string) (sdk.Lease, error) {
	if task == "hold" {
		return k.Await(ctx, c)
	}
	h, err := k.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	c.Takeover, c.Displaces = true, h.Record
	return k.Acquire(ctx, c)
}

// child is a running holder.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a child and waits for its first word.
func start(t testing.TB, task, dir, want string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+task, "RAMET_LEASE_DIR="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, in, bufio.NewReader(out)}
	t.Cleanup(func() { c.kill() })
	if got := c.line(); want != "" && got != want {
		t.Fatalf("child said %q, want %q", got, want)
	}
	return c
}

func (c *child) line() string {
	s, err := c.out.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(s)
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// stop stops the child and returns when it does not run any more: the signal alone
// leaves another processor some time to go on.
func (c *child) stop(t testing.TB) {
	t.Helper()
	c.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	for err == syscall.EINTR {
		_, err = syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	}
	if err != nil || !status.Stopped() {
		t.Fatalf("stop child: status %#x, %v", status, err)
	}
}

// kill ends the child and reaps it; again is harmless.
func (c *child) kill() {
	c.signal(syscall.SIGKILL)
	_ = c.cmd.Wait()
}

// eventually polls until ok, within the patience of the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx := within(t); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}
