package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/ramet-io/ramet/sdk"
)

// process is the plugin's process. go-plugin drives it as a runner.Runner, so that
// what is executed is the file that was verified, and what it prints is ours to read.
type process struct {
	program Program
	cmd     *exec.Cmd
	logs    *logs
	keep    []io.Closer // ends of pipes and sockets that are the child's alone

	stdout, stderr *os.File
	hello          *io.PipeReader // the handshake line, for go-plugin
	helloW         *io.PipeWriter

	started chan error    // one value
	done    chan struct{} // closed when the process is gone and its output read
	readers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	pid    int        // 0: not started
	killed bool       // as soon as it is started
	first  string     // what it printed instead of a handshake
	state  string     // how it ended
}

var _ runner.Runner = (*process)(nil)

// newProcess prepares a process of the opened file. env is the handshake's
// environment; inherit are the descriptors that it gets from number 3 on, which
// become its alone.
func newProcess(p Program, file *os.File, env []string, inherit []*os.File, l *logs) (*process, error) {
	cmd := &exec.Cmd{}
	r := &process{program: p, cmd: cmd, logs: l, started: make(chan error, 1), done: make(chan struct{})}
	r.hello, r.helloW = io.Pipe()
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return nil, err
	}
	r.stdout, r.stderr = outR, errR
	cmd.Env = append(append([]string(nil), p.Env...), env...) // the handshake's come last and win
	cmd.Args = append([]string{p.Path}, p.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, outW, errW
	cmd.ExtraFiles = inherit
	r.keep = append(r.keep, outW, errW)
	for _, f := range inherit {
		r.keep = append(r.keep, f)
	}
	cmd.SysProcAttr = processAttributes()
	opened, err := executeOpened(cmd, file)
	if err != nil {
		r.discard()
		return nil, fmt.Errorf("%w: plugin %s: %v", sdk.ErrUnavailable, p.Name, err)
	}
	r.keep = append(r.keep, opened)
	return r, nil
}

// discard closes what was prepared for a process that was not started.
func (r *process) discard() {
	for _, c := range append(r.keep, r.stdout, r.stderr) {
		c.Close()
	}
	r.helloW.Close()
}

// Start implements runner.Runner. The thread that starts the process waits for it:
// the system sends a parent's death signal when the starting thread ends, so that
// thread must live as long as the process.
func (r *process) Start(context.Context) error {
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.done)
		err := r.cmd.Start()
		if err == nil {
			r.mu.Lock()
			r.pid = r.cmd.Process.Pid
			if r.killed {
				_ = r.cmd.Process.Kill()
			}
			r.mu.Unlock()
			for _, c := range r.keep {
				c.Close()
			}
			r.readers.Go(r.readStdout)
			r.readers.Go(func() { r.logs.read(r.stderr) })
		} else {
			r.discard()
		}
		r.started <- err
		if err == nil {
			r.wait()
		}
	}()
	return r.startError(<-r.started)
}

// wait reaps the process and reads what is left of its output.
func (r *process) wait() {
	err := r.cmd.Wait()
	// What it started may hold its output open: do not wait for that.
	soon := time.Now().Add(100 * time.Millisecond)
	_ = r.stdout.SetReadDeadline(soon)
	_ = r.stderr.SetReadDeadline(soon)
	r.readers.Wait()
	r.stdout.Close()
	r.stderr.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = "exited with status 0"
	if err != nil {
		r.state = "ended: " + err.Error()
	}
}

func (r *process) startError(err error) error {
	switch {
	case err == nil:
		return nil
	case isNoExec(err):
		return fmt.Errorf("%w: plugin %s: %s is not a program for %s/%s%s; install the one that is", sdk.ErrIncompatible,
			r.program.Name, r.program.Path, runtime.GOOS, runtime.GOARCH, builtFor(r.program.Path))
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: plugin %s: the system refuses to execute %s: %v", sdk.ErrInvalid, r.program.Name, r.program.Path, err)
	}
	return fmt.Errorf("%w: plugin %s: start %s: %v", sdk.ErrUnavailable, r.program.Name, r.program.Path, err)
}

// readStdout passes the first line on if it can be a handshake. Everything else on
// standard output is a mistake of the plugin's author, and logged.
func (r *process) readStdout() {
	defer r.helloW.Close()
	lines := bufio.NewReaderSize(r.stdout, 4096)
	for first := true; ; {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		if first {
			if strings.Count(string(line), "|") >= 4 && strings.HasPrefix(string(line), "1|") {
				fmt.Fprintf(r.helloW, "%s\n", line)
				first = false
				r.helloW.Close()
				continue
			}
			r.mu.Lock()
			if r.first == "" {
				r.first = string(line)
			}
			r.mu.Unlock()
		}
		r.logs.plain("stdout", line)
		if first {
			r.helloW.Close() // no handshake will be taken any more
			first = false
		}
	}
}

// kill ends the process at once, also one that is about to start.
func (r *process) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.pid != 0 { // so cmd.Process is set
		_ = r.cmd.Process.Kill()
	}
}

func (r *process) ident() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pid
}

// ended returns how the process ended, "" while it runs.
func (r *process) ended() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// babble returns what the process printed instead of a handshake.
func (r *process) babble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// The rest of runner.Runner, for go-plugin.

// Stdout gives go-plugin the handshake and nothing else.
func (r *process) Stdout() io.ReadCloser { return r.hello }

// Stderr gives go-plugin nothing: the log is read here.
func (r *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Wait implements runner.AttachedRunner.
func (r *process) Wait(context.Context) error { <-r.done; return nil }

// Kill implements runner.AttachedRunner.
func (r *process) Kill(context.Context) error { r.kill(); return nil }

// ID implements runner.AttachedRunner.
func (r *process) ID() string { return strconv.Itoa(r.ident()) }

// Name implements runner.Runner.
func (r *process) Name() string { return r.program.Name }

// Diagnose implements runner.Runner. What is wrong is found elsewhere.
func (r *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.AddrTranslator.
func (r *process) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (r *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
