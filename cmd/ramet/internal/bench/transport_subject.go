package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/sdk"
)

// transportKinds are what is measured. The bare ones are the library's own sockets.
var transportKinds = []string{"bare ipc", "zmq ipc", "unix", "bare tcp", "zmq tcp"}

// subject is the client's side of one kind, in this process. Its server is a process
// of its own.
type subject interface {
	kind() string
	base() string // the kind it is compared with
	round() error
	// flood makes the server publish n events of which rate leave each second (0: as
	// fast as it can) and returns when it has. count is told of what comes.
	flood(rate, n int) error
	arrived() *arrivals
	end() error
}

// arrivals counts the events of all subscribers.
type arrivals struct{ delivered, reported atomic.Int64 }

// node is the server's process.
type node struct {
	name string
	cmd  *exec.Cmd
	in   io.Closer // its end ends the process
	at   []string  // where it serves
}

func startNode(ctx context.Context, kind, dir string) (node, error) {
	program, err := os.Executable()
	if err != nil {
		return node{}, err
	}
	n := node{name: kind, cmd: exec.CommandContext(ctx, program, "transport-node", kind, dir)}
	n.cmd.Stderr = os.Stderr
	in, err := n.cmd.StdinPipe()
	if err != nil {
		return n, err
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return n, err
	}
	if err := n.cmd.Start(); err != nil {
		return n, err
	}
	n.in = in
	line, err := bufio.NewReader(out).ReadString('\n')
	n.at = strings.Fields(line)
	return n, err
}

func (n node) kind() string { return n.name }

func (n node) base() string { return baseOf(n.name) }

// baseOf returns the kind that another is compared with.
func baseOf(kind string) string {
	if strings.HasSuffix(kind, "tcp") {
		return "bare tcp"
	}
	return "bare ipc"
}

func (n node) stop() error {
	_ = n.in.Close()
	return n.cmd.Wait()
}

func startSubject(ctx context.Context, kind, dir string) (subject, error) {
	n, err := startNode(ctx, kind, dir)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(kind, "bare") {
		return startBare(ctx, n)
	}
	return startLinked(ctx, n)
}

// question is a call's body: that of an echo, or an order to publish.
func question(rate, n int) []byte {
	b := make([]byte, transportBytes)
	binary.BigEndian.PutUint64(b, uint64(rate))
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return b
}

// linked is a transport of ours: a link for calls, and one for each subscriber.
type linked struct {
	node
	got  arrivals
	run  sdk.Running
	link sdk.Link
	body []byte
	at   sdk.Endpoint
	wg   sync.WaitGroup
	stop context.CancelFunc
}

// pluginOf opens the plugin that serves a kind.
func pluginOf(ctx context.Context, kind string) (sdk.Running, error) {
	want, options := "transport-unix", ""
	if listen, ok := strings.CutPrefix(kind, "zmq "); ok {
		want, options = "transport-zmq", fmt.Sprintf(`{"listen": %q}`, listen)
	}
	for _, p := range available.Plugins() {
		if p.Describe().Name == want {
			return p.Open(ctx, sdk.Env{Options: []byte(options)})
		}
	}
	return nil, fmt.Errorf("%s is not linked in", want)
}

func transportScope(role sdk.Role) sdk.Scope {
	return sdk.Scope{Workspace: "bench", Epoch: 1, Instance: string(role), Role: role, Secret: make([]byte, 32)}
}

func startLinked(ctx context.Context, n node) (*linked, error) {
	s := &linked{node: n, at: sdk.Endpoint(n.at[0]), body: question(0, 0)}
	var err error
	if s.run, err = pluginOf(ctx, n.name); err != nil {
		return nil, err
	}
	if s.link, err = s.dial(ctx); err != nil {
		return nil, err
	}
	ctx, s.stop = context.WithCancel(ctx)
	for range transportSubscribers {
		l, err := s.dial(ctx)
		if err != nil {
			return nil, err
		}
		sub, err := l.Subscribe(ctx, "")
		if err != nil {
			return nil, err
		}
		s.wg.Go(func() { s.count(ctx, sub) })
	}
	return s, nil
}

func (s *linked) dial(ctx context.Context) (sdk.Link, error) {
	return s.run.Transport().Dial(ctx, transportScope(sdk.Secondary), []sdk.Endpoint{s.at})
}

func (s *linked) count(ctx context.Context, sub sdk.Subscription) {
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			return
		}
		s.got.reported.Add(int64(e.Lost))
		if !e.Notice {
			s.got.delivered.Add(1)
		}
	}
}

func (s *linked) round() error {
	_, err := s.link.Call(context.Background(), sdk.Message{Op: "echo", Body: s.body})
	return err
}

func (s *linked) flood(rate, n int) error {
	_, err := s.link.Call(context.Background(), sdk.Message{Op: "flood", Body: question(rate, n)})
	return err
}

func (s *linked) arrived() *arrivals { return &s.got }

func (s *linked) end() error {
	s.stop()
	s.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.run.Close(ctx); err != nil {
		return err
	}
	return s.node.stop()
}

// bare is the library as it is: a DEALER for calls, and a SUB for each subscriber.
type bare struct {
	node
	got    arrivals
	dealer zmq4.Socket
	subs   []zmq4.Socket
	body   []byte
	stop   context.CancelFunc
}

func startBare(ctx context.Context, n node) (*bare, error) {
	s := &bare{node: n, body: append([]byte("echo"), question(0, 0)...)}
	ctx, s.stop = context.WithCancel(ctx)
	s.dealer = zmq4.NewDealer(ctx)
	if err := s.dealer.Dial(n.at[0]); err != nil {
		return nil, err
	}
	for range transportSubscribers {
		sub := zmq4.NewSub(ctx)
		if err := sub.Dial(n.at[1]); err != nil {
			return nil, err
		}
		if err := sub.SetOption(zmq4.OptionSubscribe, ""); err != nil {
			return nil, err
		}
		s.subs = append(s.subs, sub)
		go s.count(sub) // the library ends it with the process: it leaks its readers
	}
	time.Sleep(200 * time.Millisecond) // nothing tells when a SUB is subscribed
	return s, nil
}

func (s *bare) count(sub zmq4.Socket) {
	for {
		if _, err := sub.Recv(); err != nil {
			return
		}
		s.got.delivered.Add(1)
	}
}

func (s *bare) ask(m []byte) error {
	if err := s.dealer.Send(zmq4.NewMsg(m)); err != nil {
		return err
	}
	_, err := s.dealer.Recv()
	return err
}

func (s *bare) round() error { return s.ask(s.body) }

func (s *bare) flood(rate, n int) error { return s.ask(append([]byte("flod"), question(rate, n)...)) }

func (s *bare) arrived() *arrivals { return &s.got }

func (s *bare) end() error {
	s.stop()
	return s.node.stop()
}

// socketsOf returns where the bare library serves: calls, events.
func socketsOf(kind, dir string) (router, pub string) {
	if kind == "bare ipc" {
		return "ipc://" + filepath.Join(dir, "r"), "ipc://" + filepath.Join(dir, "p")
	}
	return "tcp://127.0.0.1:0", "tcp://127.0.0.1:0"
}
