package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a run of the program that stays.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *lines
	err *lines
}

// stays starts the program; the test's end kills it if it still runs.
func stays(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), out: newLines(), err: newLines()}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() { p.out.read(out) })
	read.Go(func() { p.err.read(errs) })
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		read.Wait()
		p.cmd.Wait()
	})
	return p
}

// await returns the next line of l that contains part.
func (p *process) await(l *lines, part string) string {
	p.t.Helper()
	deadline := time.After(runLimit)
	for {
		select {
		case line, ok := <-l.c:
			if !ok {
				p.t.Fatalf("ended without a line with %q", part)
			}
			if strings.Contains(line, part) {
				return line
			}
		case <-deadline:
			p.t.Fatalf("no line with %q", part)
		}
	}
}

// leave sends s and returns the exit status.
func (p *process) leave(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	return p.ends()
}

// ends waits for the end and returns the exit status.
func (p *process) ends() int {
	p.t.Helper()
	deadline := time.AfterFunc(runLimit, func() { p.cmd.Process.Kill() })
	defer deadline.Stop()
	for range p.out.c { // until its output ends
	}
	for range p.err.c {
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// lines is a stream of lines, closed at its end.
type lines struct{ c chan string }

func newLines() *lines { return &lines{make(chan string, 4096)} }

func (l *lines) read(r io.Reader) {
	s := bufio.NewScanner(r)
	for s.Scan() {
		l.c <- s.Text()
	}
	close(l.c)
}
