package remote

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
)

// What the misbehaving programs of roles are made of.

// describedAs is a plugin that says what it is told to say and serves nothing.
type describedAs struct{ sdk.Info }

func (d describedAs) Describe() sdk.Info { return d.Info }
func (d describedAs) Open(context.Context, sdk.Env) (sdk.Running, error) {
	return &emptyRunning{}, nil
}

type emptyRunning struct{ testRunning }

func (*emptyRunning) Store() sdk.Store         { return nil }
func (*emptyRunning) Transport() sdk.Transport { return nil }
func (*emptyRunning) Watcher() sdk.Watcher     { return nil }

// serveVersion serves another protocol version only.
func serveVersion(version int) {
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, GRPCServer: newGRPCServer, Logger: hclog.NewNullLogger(),
		VersionedPlugins: map[int]plugin.PluginSet{version: pluginSet(newServer(testPlugin{}))[protocolVersion]}})
}

// bentCarrier changes what the plugin sends in answer to a request.
type bentCarrier struct {
	carrier
	bend func([]byte) []byte
}

func (c bentCarrier) try(b []byte) (int, error) {
	f, _ := parseFrame(b[1+lengthBytes:])
	if f.kind != kindReply && f.kind != kindError {
		return c.carrier.try(b)
	}
	return len(b), c.carrier.write(c.bend(bytes.Clone(b)))
}

func serveBent(bend func([]byte) []byte) {
	s := newServer(testPlugin{})
	s.pair = bentCarrier{s.pair, bend}
	serveWith(s)
}

func serveWith(s pb.PluginServer) {
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, VersionedPlugins: pluginSet(s),
		GRPCServer: newGRPCServer, Logger: hclog.NewNullLogger()})
}

// renumbered returns frame b as the answer to another request.
func renumbered(b []byte, by uint64) []byte {
	f, err := parseFrame(b[1+lengthBytes:])
	if err != nil {
		panic(err)
	}
	f.id += by
	out := openFrame(nil, &f)
	at := len(out)
	out = append(out, f.body...)
	shutFrame(out, 0, at)
	return out
}

// unknownRequest is a request of an operation that no host knows.
func unknownRequest() []byte {
	return appendFrame(nil, &frame{kind: kindRequest, id: 77, op: 9999}, nil)
}

// oddServer takes a carrier that nobody offered.
type oddServer struct{ *server }

func (s oddServer) Describe(c context.Context, r *pb.DescribeRequest) (*pb.DescribeReply, error) {
	reply, err := s.server.Describe(c, r)
	reply.Carrier = "pigeons"
	return reply, err
}

func serveOddCarrier() { serveWith(oddServer{newServer(testPlugin{})}) }

// hostMain is a host: it launches and opens the good program, tells its pid, and
// lives until it is killed.
func hostMain() {
	path, _ := os.Executable()
	p, err := Launch(context.Background(), Program{Path: path, Env: []string{asRole + "=good"}, Carrier: os.Getenv("HOST_CARRIER")})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	r, err := p.Open(context.Background(), sdk.Env{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("plugin", r.(*running).c.proc.ident())
	for {
		time.Sleep(50 * time.Millisecond)
		if _, err := r.Watcher().Judge(context.Background(), sdk.Evidence{}); err != nil {
			fmt.Println("lost", err)
			return
		}
		fmt.Println("alive")
	}
}

// openFiles lists what this process has open.
func openFiles() string {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		out, _ := exec.Command("lsof", "-p", fmt.Sprint(os.Getpid())).CombinedOutput()
		return string(out)
	}
	var list []string
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		list = append(list, to)
	}
	return strings.Join(list, "\n")
}
