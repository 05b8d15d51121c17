package remote

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
	"github.com/ramet-io/ramet/sdk/wire"
)

// parentInterval is how often a plugin looks whether its host is still its parent.
// The end of the carrier comes first; this is for the case that something else
// holds the carrier open.
const parentInterval = time.Second

// Serve is the whole main function of a plugin program:
//
//	func main() { remote.Serve(mystore.New()) }
//
// It serves p to the host that started the program and never returns: the process
// exits when the host closes the plugin, and within a millisecond or so when the
// host dies, with whatever p is doing at that moment. Started by hand it says what
// the program is and exits with status 1.
//
// What p's logger and the program print to standard error reaches the host's log.
// Standard output belongs to the handshake: print nothing there.
func Serve(p sdk.Plugin) {
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		fmt.Fprint(os.Stderr, usage(p.Describe()))
		os.Exit(1)
	}
	s := newServer(p)
	go watchParent()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: pluginSet(s),
		TLSProvider:      tlsProvider(),
		GRPCServer:       newGRPCServer,
		Logger:           hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: true, Level: hclog.Error}),
	})
	os.Exit(0)
}

// usage says what a plugin program is.
func usage(i sdk.Info) string {
	var b strings.Builder
	stages := make([]string, len(i.Stages))
	for n, s := range i.Stages {
		stages[n] = string(s)
	}
	fmt.Fprintf(&b, "%s %s is a plugin of ramet for: %s.\n", i.Name, i.Version, strings.Join(stages, ", "))
	fmt.Fprintf(&b, "It is started by a program that uses ramet. Name it in the assembly file:\n\n")
	fmt.Fprintf(&b, "  plugin %q {\n    path = %q\n  }\n", i.Name, filepath.ToSlash(os.Args[0]))
	if len(i.Options) > 0 {
		fmt.Fprintf(&b, "\nIts options:\n")
	}
	for _, o := range i.Options {
		fmt.Fprintf(&b, "  %s (%s) %s\n", o.Name, o.Type, o.Doc)
	}
	return b.String()
}

// newGRPCServer raises the limit on received messages, 4 MiB by default, to what a
// message of frames may have.
func newGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts, grpc.ForceServerCodecV2(newRawCodec()), grpc.MaxRecvMsgSize(maxMessage),
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes))...)
}

const (
	// maxMessage is the most that one gRPC message of frames may have: some parts, or
	// the longest frame of another author's.
	maxMessage = 4*partBytes + maxFrame
	// windowBytes is how much one side of a stream may send ahead of the other.
	windowBytes = 4 << 20
)

// tlsProvider returns what go-plugin asks for the server's side of TLS; nil: none.
func tlsProvider() func() (*tls.Config, error) {
	cert, key := os.Getenv(envTLSCert), os.Getenv(envTLSKey)
	os.Unsetenv(envTLSKey) // not for the plugin's own children
	if cert == "" {
		return nil
	}
	return func() (*tls.Config, error) { return identityConfig([]byte(cert), []byte(key)) }
}

// watchParent ends the process when the host is not its parent any more.
func watchParent() {
	host, err := strconv.Atoi(os.Getenv(envHostPID))
	if err != nil {
		return
	}
	for range time.Tick(parentInterval) {
		if os.Getppid() != host {
			os.Exit(0)
		}
	}
}

// server is the control service of a plugin program.
type server struct {
	pb.UnimplementedPluginServer
	plugin sdk.Plugin
	far    *far
	stdout *os.File // as the process was started; go-plugin replaces os.Stdout and os.Stderr
	stderr *os.File
	pair   carrier // the socketpair, if the host offers it; nil: none

	mu      sync.Mutex // guards opening and draining
	carried bool       // a carrier was taken
}

func newServer(p sdk.Plugin) *server {
	s := &server{plugin: p, far: newFar(), stdout: os.Stdout, stderr: os.Stderr}
	if fd, err := strconv.Atoi(os.Getenv(envCarrierFD)); err == nil {
		if pair, err := inheritedPair(fd); err == nil { // without it there is the stream
			s.pair = pair
		}
	}
	os.Unsetenv(envCarrierFD)
	return s
}

// Describe implements the control service.
func (s *server) Describe(_ context.Context, req *pb.DescribeRequest) (*pb.DescribeReply, error) {
	defer reportPanic(nil)
	// What a plugin prints goes straight to the host: through go-plugin's stream the
	// last lines before its end would be lost. Nothing of the plugin runs yet.
	os.Stdout, os.Stderr = s.stdout, s.stderr
	reply := &pb.DescribeReply{Info: toPB(&pb.Info{}, s.plugin.Describe(), wire.AppendInfo), Carrier: CarrierStream}
	if s.pair != nil && slices.Contains(req.Carriers, CarrierSocketpair) {
		reply.Carrier = CarrierSocketpair
		s.carry(s.pair)
	}
	return reply, nil
}

// Carry implements the control service: it is the carrier "stream".
func (s *server) Carry(stream grpc.BidiStreamingServer[pb.Frames, pb.Frames]) error {
	ended := make(chan struct{})
	if c := s.carry(&streamCarrier{stream: stream, end: sync.OnceFunc(func() { close(ended) })}); c != nil {
		<-ended
	}
	return nil
}

// carry runs frames over the first carrier. Its end is the end of the process: the
// host is gone, or wants it gone, and whatever runs now must not go on.
func (s *server) carry(car carrier) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.carried {
		return nil
	}
	s.carried = true
	c := newConn(car, s.far.handle, func(what string) { fmt.Fprintf(s.stderr, "the host sent %s\n", what) })
	s.far.conn = c
	c.start()
	go func() {
		<-c.done
		os.Exit(0)
	}()
	return c
}

// Open implements the control service.
func (s *server) Open(ctx context.Context, req *pb.OpenRequest) (*pb.OpenReply, error) {
	defer reportPanic(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.open(ctx, req)
	return &pb.OpenReply{Err: errorPB(err)}, nil
}

func (s *server) open(ctx context.Context, req *pb.OpenRequest) error {
	if s.far.opened() != nil {
		return fmt.Errorf("%w: the plugin is open already; one process serves one instance", sdk.ErrInvalid)
	}
	env, err := fromPB(req.Env, wire.DecodeEnv)
	if err != nil {
		return err
	}
	info := s.plugin.Describe()
	env.Logger = hclog.New(&hclog.LoggerOptions{Name: info.Name, Output: s.stderr, JSONFormat: true,
		Level: hclog.LevelFromString(req.LogLevel)})
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(req.Timeout))
		defer cancel()
	}
	r, err := s.plugin.Open(ctx, env)
	if err != nil {
		return err
	}
	if err := complete(info, r); err != nil {
		return err
	}
	s.far.open(r)
	return nil
}

// complete checks that an opened plugin serves what it declares.
func complete(i sdk.Info, r sdk.Running) error {
	for _, s := range i.Stages {
		missing := false
		switch s {
		case sdk.StagePorts:
			missing = r.Ports() == nil
		case sdk.StageLock:
			missing = r.Lock() == nil
		case sdk.StageStore:
			missing = r.Store() == nil
		case sdk.StageTransport:
			missing = r.Transport() == nil
		case sdk.StageWatcher:
			missing = r.Watcher() == nil
		}
		if missing {
			return fmt.Errorf("%w: %s declares the %s stage and does not serve it; report it to its author", sdk.ErrInvalid, i.Name, s)
		}
	}
	return nil
}

// Health implements the control service.
func (s *server) Health(ctx context.Context, req *pb.HealthRequest) (*pb.HealthReply, error) {
	r := s.far.opened()
	if r == nil {
		return &pb.HealthReply{Err: errorPB(fmt.Errorf("%w: the plugin is not open", sdk.ErrClosed))}, nil
	}
	defer reportPanic(nil)
	h, err := r.WaitHealth(ctx, req.Seen)
	if err != nil {
		return &pb.HealthReply{Err: errorPB(err)}, nil
	}
	return &pb.HealthReply{Health: toPB(&pb.Health{}, h, wire.AppendHealth)}, nil
}

// Drain implements the control service.
func (s *server) Drain(ctx context.Context, req *pb.DrainRequest) (*pb.DrainReply, error) {
	defer reportPanic(nil)
	r := s.far.opened()
	if r == nil {
		return &pb.DrainReply{}, nil
	}
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(req.Timeout))
		defer cancel()
	}
	return &pb.DrainReply{Err: errorPB(r.Close(ctx))}, nil
}

func errorPB(err error) *pb.Error {
	if err == nil {
		return nil
	}
	return toPB(&pb.Error{}, err, wire.AppendError)
}

// errorOfPB is the way back; nil for none.
func errorOfPB(m *pb.Error) error {
	if m == nil {
		return nil
	}
	err, bad := fromPB(m, func(b []byte) (decoded, error) {
		err, bad := wire.DecodeError(b)
		return decoded{err}, bad
	})
	if bad != nil {
		return bad
	}
	return err.err
}

// decoded holds an error that is a value.
type decoded struct{ err error }
