package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// ack is an acknowledged write.
type ack struct {
	key, row int64
	at       time.Duration
}

// child is a node as the director knows it. Only the director's goroutine reads
// and changes what is below the line.
type child struct {
	slot int
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	errs *tail

	// ---
	role     sdk.Role
	epoch    uint64 // of the primary it knows
	acks     []ack
	unknown  int
	seen     map[int64]int // how often the feed showed a row
	ahead    int           // the feed showed this many of the director's acknowledged rows, in their order
	gaps     int
	covered  int // how many rows were acknowledged at the last gap
	counters kernel.Counters
	plugins  []pluginAt // answer to wordPlugins; nil: not yet answered
	quiet    bool
	expected bool // it was killed or told to leave
	gone     bool
}

// event is a message from a child, or its end.
type event struct {
	from *child
	msg  message
	gone bool
	err  error
}

// start runs a node in slot and sends its messages to events until it is gone.
func start(program string, slot, generation int, o NodeOptions, events chan<- event, work *sync.WaitGroup) (*child, error) {
	o.Name = fmt.Sprintf("n%d.%d", slot+1, generation)
	c := &child{slot: slot, name: o.Name, seen: map[int64]int{}, errs: &tail{}}
	c.cmd = exec.Command(program, "demo-node", "--workdir", o.Workdir, "--name", o.Name, "--assembly", o.Assembly,
		"--ttl", o.TTL.String(), "--think", o.Think.String(), "--seed", strconv.FormatInt(o.Seed, 10))
	c.cmd.SysProcAttr = apart()
	c.cmd.Stderr = c.errs
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node %s: %w", c.name, err)
	}
	work.Go(func() {
		c.listen(out, events)
		err := c.cmd.Wait()
		events <- event{from: c, gone: true, err: err, msg: message{At: mono.Now()}}
	})
	return c, nil
}

// listen reads lines until the node is gone. The last one may be cut by a kill.
func (c *child) listen(out io.Reader, events chan<- event) {
	lines := bufio.NewReaderSize(out, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		e := event{from: c}
		if err := json.Unmarshal(line, &e.msg); err != nil {
			e.msg = message{Kind: kindFault, Text: fmt.Sprintf("node %s wrote %q: %v", c.name, line, err)}
		}
		events <- e
	}
}

// tell sends a word. An error means that the node is going; its end tells more.
func (c *child) tell(word string) { io.WriteString(c.in, word+"\n") }

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill ends the process at once. It works on a stopped one too.
func (c *child) kill() error { return c.cmd.Process.Kill() }

// tail keeps the end of what was written to it. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
