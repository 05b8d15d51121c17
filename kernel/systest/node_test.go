//go:build unix

package systest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// patience bounds every wait of these tests. It is no part of what they assert.
const patience = 30 * time.Second

// testTTL is the lease time in these tests.
const testTTL = 500 * time.Millisecond

// node is a running child process with one instance.
type node struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed when the process has ended and all it said is read

	mu      sync.Mutex // guards what follows
	last    int
	waiting map[int]chan answer
	ended   bool
	acked   []string
	faults  []string
}

// spawn starts a node that has not joined yet. It ends with the test.
func spawn(t *testing.T, name string) *node {
	t.Helper()
	n := &node{t: t, name: name, cmd: exec.Command(os.Args[0]), gone: make(chan struct{}), waiting: map[int]chan answer{}}
	n.cmd.Env = append(os.Environ(), nodeEnv+"=1")
	n.cmd.Stderr = os.Stderr
	n.cmd.SysProcAttr = dieWithParent()
	var err error
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go n.listen(out)
	t.Cleanup(n.kill)
	return n
}

// join starts a node and boots it in dir.
func join(t *testing.T, dir, name string, change ...func(*bootOptions)) *node {
	t.Helper()
	n := spawn(t, name)
	if a := n.await(n.boot(dir, change...)); a.Err != "" || a.Role == "" {
		t.Fatalf("%s: boot: role %q, error %q", name, a.Role, a.Err)
	}
	return n
}

// boot orders the node to join dir, and does not wait.
func (n *node) boot(dir string, change ...func(*bootOptions)) <-chan answer {
	o := bootOptions{Dir: dir, InstanceID: n.name, TTL: testTTL}
	for _, f := range change {
		f(&o)
	}
	return n.send(order{Op: "boot", Boot: o})
}

// listen hands out what the node says, until it ends.
func (n *node) listen(out io.Reader) {
	defer close(n.gone)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			n.note("unreadable: " + string(line))
			continue
		}
		n.deliver(a)
	}
	_ = n.cmd.Wait() // its exit status says how the test ended it
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	for _, ch := range n.waiting {
		ch <- answer{Gone: true, Err: "the node ended"}
	}
}

func (n *node) note(fault string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, n.name+": "+fault)
}

func (n *node) deliver(a answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch ch := n.waiting[a.ID]; {
	case a.Acked != "":
		n.acked = append(n.acked, a.Acked)
	case a.Fault != "":
		n.faults = append(n.faults, n.name+": "+a.Fault)
	case ch != nil:
		delete(n.waiting, a.ID)
		ch <- a
	}
}

// send gives an order. The channel yields its answer, or one with Gone set.
func (n *node) send(o order) <-chan answer {
	ch := make(chan answer, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		ch <- answer{Gone: true, Err: "the node ended"}
		return ch
	}
	n.last++
	o.ID = n.last
	n.waiting[o.ID] = ch
	line, err := json.Marshal(o)
	if err != nil {
		n.t.Errorf("%s: order %s: %v", n.name, o.Op, err)
	}
	_, _ = n.in.Write(append(line, '\n')) // a dead node shows by its answer
	return ch
}

// await waits for an answer.
func (n *node) await(ch <-chan answer) answer {
	n.t.Helper()
	select {
	case a := <-ch:
		return a
	case <-time.After(patience):
		n.t.Fatalf("%s does not answer", n.name)
		return answer{}
	}
}

func (n *node) do(o order) answer {
	n.t.Helper()
	return n.await(n.send(o))
}

// must is do for what has to work.
func (n *node) must(o order) answer {
	n.t.Helper()
	a := n.do(o)
	if a.Err != "" {
		n.t.Fatalf("%s: %s %s: %s", n.name, o.Op, o.SQL, a.Err)
	}
	return a
}

func (n *node) exec(text string, args ...any) {
	n.t.Helper()
	n.must(order{Op: "exec", SQL: text, Args: args})
}

func (n *node) query(text string, args ...any) [][]any {
	n.t.Helper()
	return n.must(order{Op: "query", SQL: text, Args: args}).Rows
}

// number is query for one number.
func (n *node) number(text string, args ...any) int {
	n.t.Helper()
	rows := n.query(text, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		n.t.Fatalf("%s: %s: %v, want one number", n.name, text, rows)
	}
	f, ok := rows[0][0].(float64)
	if !ok {
		n.t.Fatalf("%s: %s: %v is no number", n.name, text, rows[0][0])
	}
	return int(f)
}

func (n *node) role() sdk.Role { n.t.Helper(); return n.must(order{Op: "role"}).Role }

func (n *node) signal(s syscall.Signal) { _ = n.cmd.Process.Signal(s) }

// stop stops the process, and waits until the system says so.
func (n *node) stop() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	n.awaitStop()
}

// awaitStop waits until every thread of the process stands still.
func (n *node) awaitStop() {
	n.t.Helper()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(n.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || !ws.Stopped() {
			n.t.Fatalf("%s: not stopped: %v, status %v", n.name, err, ws)
		}
		return
	}
}

func (n *node) resume() { n.signal(syscall.SIGCONT) }

// kill ends the process, also a stopped one, and waits. Again is harmless.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.gone
}

// news returns what the node's loads told.
func (n *node) news() (acked, faults []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.acked), slices.Clone(n.faults)
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// primaryOf waits until exactly one of nodes says that it is primary and the store
// confirms it, all others are secondary, and returns it.
func primaryOf(t *testing.T, nodes ...*node) (primary *node) {
	t.Helper()
	var seen []string
	eventually(t, "one primary, all others secondary", func() bool {
		seen, primary = nil, nil
		leaders, others := 0, 0
		for _, n := range nodes {
			a := n.must(order{Op: "role"})
			seen = append(seen, fmt.Sprintf("%s=%s", n.name, a.Role))
			switch a.Role {
			case sdk.Primary:
				if n.do(order{Op: "confirm"}).Err == "" {
					leaders++
					primary = n
				}
			case sdk.Secondary:
				others++
			}
		}
		return leaders == 1 && others == len(nodes)-1
	})
	return primary
}

// epochOf returns the store's epoch, which counts the promotions.
func epochOf(t *testing.T, n *node) uint64 {
	t.Helper()
	return n.must(order{Op: "status"}).Status.Epoch
}
