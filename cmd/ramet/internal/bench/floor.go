package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
)

// settle lets the waiter reach the lock's queue after it said that it goes there.
const settle = 5 * time.Millisecond

// FlockNode is one of the two processes of a floor measurement. "hold" takes the
// lock and keeps it until it is killed; "wait" waits for it in the kernel and
// prints the moment when it got it.
func FlockNode(mode, path string, out io.Writer) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if mode == "wait" {
		fmt.Fprintln(out, "waiting")
	}
	if err := lockFile(f); err != nil {
		return err
	}
	if _, err = fmt.Fprintln(out, mono.Now().Nanoseconds()); err != nil || mode == "wait" {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // the end of input means that the parent is gone
	return err
}

// measureFloor returns the time from SIGKILL of a lock's holder to the return of
// another process's blocking flock: no failover by this lock can be faster.
func measureFloor(path string) (time.Duration, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	holder, err := startFlock(program, "hold", path)
	if err != nil {
		return 0, err
	}
	defer holder.end()
	if _, err := holder.line(); err != nil {
		return 0, err
	}
	waiter, err := startFlock(program, "wait", path)
	if err != nil {
		return 0, err
	}
	defer waiter.end()
	if _, err := waiter.line(); err != nil {
		return 0, err
	}
	<-time.After(settle)
	at := mono.Now()
	if err := holder.cmd.Process.Kill(); err != nil {
		return 0, err
	}
	text, err := waiter.line()
	if err != nil {
		return 0, err
	}
	got, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(got) - at, err
}

type flockProcess struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func startFlock(program, mode, path string) (*flockProcess, error) {
	p := &flockProcess{cmd: exec.Command(program, "flock-node", mode, path)}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *flockProcess) line() (string, error) {
	s, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("flock process: %w", err)
	}
	return strings.TrimSpace(s), nil
}

// end is sure to end the process; how it ended does not matter.
func (p *flockProcess) end() {
	p.cmd.Process.Kill()
	p.in.Close()
	p.cmd.Wait()
}
