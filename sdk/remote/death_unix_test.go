//go:build unix

package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// eachCarrier runs test over each carrier.
func eachCarrier(t *testing.T, test func(t *testing.T, p Program)) {
	for _, carrier := range []string{CarrierSocketpair, CarrierStream} {
		t.Run(carrier, func(t *testing.T) {
			sdktest.NoLeaks(t)
			p := program(t, "good")
			p.Carrier = carrier
			test(t, p)
		})
	}
}

// gone reports whether a process is no more. A zombie is gone.
func gone(pid int) bool {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		return strings.Contains(string(b), ") Z ")
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// freeze stops a process and waits until it stands still: the signal takes a moment.
func freeze(t *testing.T, pid int) {
	t.Helper()
	signal(t, pid, syscall.SIGSTOP)
	if runtime.GOOS != "linux" {
		time.Sleep(50 * time.Millisecond)
		return
	}
	eventually(t, "every thread is stopped", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, name := range threads {
			if b, err := os.ReadFile(name); err != nil || !strings.Contains(string(b), ") T ") {
				return false
			}
		}
		return true
	})
}

// failed waits for the health that says that the plugin failed.
func failed(t *testing.T, r sdk.Running) sdk.Health {
	t.Helper()
	h, err := r.WaitHealth(within(t), 0)
	for err == nil && h.Condition != sdk.Failed {
		h, err = r.WaitHealth(within(t), h.Number)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPluginKilledInMidCall: what was sent is unknown, the rest is not executed,
// and the health says that it failed.
func TestPluginKilledInMidCall(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		j, log := newJournal(hclog.Info)
		r := openProgram(t, p, log)
		h, err := r.WaitHealth(within(t), 0)
		if err != nil || h.Condition != sdk.Ready || h.PID != r.c.proc.ident() {
			t.Fatalf("health %+v, %v", h, err)
		}
		l := dial(t, r)
		result := make(chan error, 1)
		go func() { _, err := l.Call(within(t), sdk.Message{Op: "wait"}); result <- err }()
		eventually(t, "the call is under way", func() bool { return r.c.conn.inFlight() > 0 })
		signal(t, h.PID, syscall.SIGKILL)
		if err := <-result; !errors.Is(err, sdk.ErrOutcomeUnknown) {
			t.Errorf("the call in flight: %v", err)
		}
		if _, err := l.Call(within(t), sdk.Message{Op: "echo"}); !errors.Is(err, sdk.ErrUnavailable) {
			t.Errorf("a call afterwards: %v", err)
		}
		if _, err := r.Watcher().Judge(within(t), sdk.Evidence{}); !errors.Is(err, sdk.ErrUnavailable) {
			t.Errorf("a judgement afterwards: %v", err)
		}
		if err := l.Close(within(t)); err != nil {
			t.Errorf("what died is closed: %v", err)
		}
		last := failed(t, r)
		if last.Number <= h.Number || !strings.Contains(last.Reason, "killed") || !strings.Contains(last.Reason, "test 1.2.3") {
			t.Errorf("health %+v", last)
		}
		j.await(t, "plugin died")
	})
}

func TestPluginExitsInMidCall(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		if _, err := dial(t, r).Call(within(t), sdk.Message{Op: "exit"}); !errors.Is(err, sdk.ErrOutcomeUnknown) {
			t.Errorf("the call: %v", err)
		}
		if h := failed(t, r); !strings.Contains(h.Reason, "exit status 7") || !strings.Contains(h.Reason, "exits as told") {
			t.Errorf("health %+v", h)
		}
	})
}

// TestPluginPanicBecomesOneReport, in a call and in a goroutine of the plugin's own.
func TestPluginPanicBecomesOneReport(t *testing.T) {
	for _, op := range []string{"panic", "panic elsewhere"} {
		t.Run(op, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, p Program) {
				j, log := newJournal(hclog.Info)
				r := openProgram(t, p, log)
				if _, err := dial(t, r).Call(within(t), sdk.Message{Op: op}); !errors.Is(err, sdk.ErrOutcomeUnknown) {
					t.Errorf("the call: %v", err)
				}
				h := failed(t, r)
				e := j.await(t, "plugin panicked")
				if !strings.Contains(h.Reason, "panicked") || !strings.Contains(h.Reason, "as told") ||
					e["plugin"] != "test" || e["version"] != "1.2.3" || !strings.Contains(fmt.Sprint(e["stack"]), "main_test.go") {
					t.Errorf("health %+v, entry %v", h, e)
				}
				if op == "panic" && (e["stage"] != "transport" || e["operation"] != "Link.Call") {
					t.Errorf("entry %v", e)
				}
				if n := len(j.entries(t, "plugin panicked")) + len(j.entries(t, "plugin died")); n != 1 {
					t.Errorf("%d reports", n)
				}
			})
		})
	}
}

// TestStoppedPluginIsFoundAndKilled: nobody calls it, and yet it is noticed.
func TestStoppedPluginIsFoundAndKilled(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		pid := r.c.proc.ident()
		freeze(t, pid)
		if h := failed(t, r); !strings.Contains(h.Reason, "it hangs") {
			t.Errorf("health %+v", h)
		}
		if !gone(pid) {
			t.Error("the process is still there")
		}
	})
}

// TestStoppedPluginHoldsNoCaller: one with a deadline, one without, and one that
// commits. None of them waits for the plugin to go on.
func TestStoppedPluginHoldsNoCaller(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		l, db := dial(t, r), openDB(t, r)
		freeze(t, r.c.proc.ident())
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := l.Call(ctx, sdk.Message{Op: "echo"}); !errors.Is(err, sdk.ErrOutcomeUnknown) {
			t.Errorf("with a deadline: %v", err)
		}
		if _, err := l.Call(context.Background(), sdk.Message{Op: "echo"}); err == nil {
			t.Error("without a deadline: it was answered")
		}
		if _, err := db.Apply(ctx, 1, nil); err == nil {
			t.Error("a commit: it was answered")
		}
	})
}

func TestStoppedPluginIsClosed(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		pid := r.c.proc.ident()
		freeze(t, pid)
		if err := r.Close(within(t)); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !gone(pid) {
			t.Error("the process is still there")
		}
	})
}

// TestPluginThatDoesNotCloseIsKilled: there is nothing left to be unclean about.
func TestPluginThatDoesNotCloseIsKilled(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		pl, err := Launch(within(t), p)
		if err != nil {
			t.Fatal(err)
		}
		defer pl.Close(context.Background())
		r, err := pl.Open(within(t), sdk.Env{Options: []byte(`{"never close":true}`)})
		if err != nil {
			t.Fatal(err)
		}
		pid := r.(*running).c.proc.ident()
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !gone(pid) {
			t.Error("the process is still there")
		}
	})
}

// startHost starts a host process and returns it with the pid of its plugin.
func startHost(t *testing.T, carrier, sockets string) (*exec.Cmd, int, *bufio.Reader) {
	t.Helper()
	p := program(t, "host")
	cmd := exec.Command(p.Path)
	cmd.Env = append(p.Env, "HOST_CARRIER="+carrier, "TMPDIR="+sockets, "XDG_RUNTIME_DIR="+sockets)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewReader(out)
	var pid int
	if line, err := lines.ReadString('\n'); err != nil || !scan(line, "plugin %d\n", &pid) {
		t.Fatalf("the host said %q, %v", line, err)
	}
	return cmd, pid, lines
}

func scan(line, format string, to ...any) bool {
	n, _ := fmt.Sscanf(line, format, to...)
	return n == len(to)
}

// TestKilledHostLeavesNothing: no process, no socket, whether the plugin runs or is
// stopped at that moment.
func TestKilledHostLeavesNothing(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		eachCarrier(t, func(t *testing.T, p Program) {
			sockets := filepath.Join(t.TempDir(), "s")
			if err := os.Mkdir(sockets, 0o700); err != nil {
				t.Fatal(err)
			}
			host, pid, _ := startHost(t, p.Carrier, sockets)
			if stopped {
				freeze(t, pid)
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			if stopped && runtime.GOOS != "linux" { // no death signal: it exits when it goes on
				signal(t, pid, syscall.SIGCONT)
			}
			eventually(t, "the plugin is gone", func() bool { return gone(pid) })
			left, err := os.ReadDir(sockets)
			if err != nil || len(left) != 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

// TestStoppedHostBlamesNobody: a host that sleeps sees no sign of life either.
func TestStoppedHostBlamesNobody(t *testing.T) {
	sockets := t.TempDir()
	host, pid, lines := startHost(t, "", sockets)
	freeze(t, host.Process.Pid)
	time.Sleep(2 * busyMissed * pingInterval / 5) // how long it is stopped
	signal(t, host.Process.Pid, syscall.SIGCONT)
	for range 20 { // a second's worth of judgements
		if line, err := lines.ReadString('\n'); err != nil || line != "alive\n" {
			t.Fatalf("the host said %q, %v", line, err)
		}
	}
	if gone(pid) {
		t.Error("the plugin was killed")
	}
}

// TestPluginOutlivesTheThreadThatLaunchedIt: Linux sends the parent's death signal
// when the launching thread ends.
func TestPluginOutlivesTheThreadThatLaunchedIt(t *testing.T) {
	sdktest.NoLeaks(t)
	launched := make(chan *Plugin, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked, so the thread ends with the goroutine
		p, err := Launch(within(t), program(t, "good"))
		if err != nil {
			t.Error(err)
		}
		launched <- p
	}()
	p := <-launched
	if p == nil {
		return
	}
	defer p.Close(context.Background())
	time.Sleep(50 * time.Millisecond) // for the thread to end
	r, err := p.Open(within(t), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(context.Background())
	if _, err := dial(t, r).Call(within(t), sdk.Message{Op: "echo"}); err != nil {
		t.Error(err)
	}
}

// TestPluginHoldsNoDescriptorOfTheHost: an orphan would keep a lock alive.
func TestPluginHoldsNoDescriptorOfTheHost(t *testing.T) {
	sdktest.NoLeaks(t)
	held := filepath.Join(t.TempDir(), "held by the host")
	f, err := os.Create(held)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := openProgram(t, program(t, "good"), nil)
	second := openProgram(t, program(t, "good"), nil)
	for _, r := range []*running{first, second} {
		got, err := dial(t, r).Call(within(t), sdk.Message{Op: "open files"})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(got), held) {
			t.Errorf("the plugin has the host's file open:\n%s", got)
		}
	}
	// If the second held the first's carrier, the end of the host's side would not be
	// the end of it.
	if err := first.Close(within(t)); err != nil {
		t.Error(err)
	}
}
