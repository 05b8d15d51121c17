package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
	"github.com/ramet-io/ramet/sdk/wire"
)

// child is a plugin's process with everything that belongs to it: the control
// connection, the carrier and what watches over them. It owns all of that until
// end.
type child struct {
	program  Program
	proc     *process
	client   *plugin.Client
	control  *grpc.ClientConn
	stub     pb.PluginClient
	info     sdk.Info
	conn     *conn
	logs     *logs
	handlers handlerTable

	life context.Context // ends when the child is seen dead
	stop context.CancelFunc

	mu      sync.Mutex // guards what follows
	why     error      // why it is dead, or was killed; the first reason counts
	closing bool       // we end it: no report

	dead  chan struct{} // closed when its death was seen and explained
	ended sync.Once
	wg    sync.WaitGroup
}

// startChild starts a process of the opened file, shakes hands and asks it what it
// is.
func startChild(ctx context.Context, p Program, file *os.File) (*child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.StartTimeout, errStartTimeout)
	defer cancel()
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the connection stands by then, or never will
	c := &child{program: p, logs: newLogs(p.Name, p.Logger), dead: make(chan struct{})}
	c.life, c.stop = context.WithCancel(context.Background())
	var pair *pairCarrier
	if err := c.prepare(dir, file, &pair); err != nil {
		c.stop()
		return nil, err
	}
	if err := c.connect(ctx, pair); err != nil {
		if pair != nil {
			pair.close()
		}
		c.abort()
		return nil, err
	}
	if err := p.replaced(file); err != nil {
		return nil, errors.Join(err, c.end())
	}
	c.wg.Go(c.watch)
	c.wg.Go(c.guard)
	return c, nil
}

// errStartTimeout tells Program.StartTimeout from the end of the caller's context.
var errStartTimeout = errors.New("start timeout")

// prepare makes everything that is needed before the process runs.
func (c *child) prepare(dir string, file *os.File, pair **pairCarrier) error {
	env := []string{envHostPID + "=" + strconv.Itoa(os.Getpid())}
	var inherit []*os.File
	if c.program.Carrier != CarrierStream {
		ours, theirs, err := socketpair()
		switch {
		case err == nil:
			*pair, inherit = ours, []*os.File{theirs}
			env = append(env, envCarrierFD+"=3")
		case c.program.Carrier == CarrierSocketpair:
			return fmt.Errorf("%w: plugin %s: carrier %s: %v", sdk.ErrUnsupported, c.program.Name, CarrierSocketpair, err)
		}
	}
	config := &plugin.ClientConfig{
		HandshakeConfig: handshake, VersionedPlugins: pluginSet(nil), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout: 2 * c.program.StartTimeout, // the context ends first
		SkipHostEnv:  true, Logger: hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: dir},
		SyncStdout:       lineWriter{c.logs, "stdout"}, SyncStderr: lineWriter{c.logs, "stderr"},
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes)},
	}
	if c.program.TLS {
		cert, key, err := newIdentity()
		if err == nil {
			config.TLSConfig, err = identityConfig(cert, key)
		}
		if err != nil {
			return fmt.Errorf("%w: plugin %s: make a certificate: %v", sdk.ErrInternal, c.program.Name, err)
		}
		env = append(env, envTLSCert+"="+string(cert), envTLSKey+"="+string(key))
	}
	proc, err := newProcess(c.program, file, env, inherit, c.logs)
	if err != nil {
		if *pair != nil {
			(*pair).close()
		}
		return err
	}
	c.proc = proc
	config.RunnerFunc = func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
		proc.cmd.Env = append(proc.cmd.Env, cmd.Env...)
		return proc, nil
	}
	c.client = plugin.NewClient(config)
	return nil
}

// connect starts the process and brings up the control connection and a carrier.
func (c *child) connect(ctx context.Context, pair *pairCarrier) error {
	defer context.AfterFunc(ctx, c.proc.kill)() // go-plugin takes no context
	if _, err := c.client.Start(); err != nil {
		return c.startError(ctx, err)
	}
	rpc, err := c.client.Client()
	if err != nil {
		return c.startError(ctx, err)
	}
	control, err := rpc.Dispense(service)
	if err != nil {
		return c.startError(ctx, err)
	}
	c.control = control.(*grpc.ClientConn)
	c.stub = pb.NewPluginClient(c.control)
	var offer []string
	if pair != nil {
		offer = append(offer, CarrierSocketpair)
	}
	if c.program.Carrier != CarrierSocketpair {
		offer = append(offer, CarrierStream)
	}
	reply, err := c.stub.Describe(ctx, &pb.DescribeRequest{Carriers: offer})
	if err != nil {
		return c.startError(ctx, err)
	}
	if c.info, err = fromPB(reply.Info, wire.DecodeInfo); err != nil || c.info.Name == "" || len(c.info.Stages) == 0 {
		return fmt.Errorf("%w: plugin %s: it does not say what it is (%v); report it to its author", sdk.ErrIncompatible, c.program.Name, err)
	}
	return c.take(reply.Carrier, pair)
}

// take starts the carrier that the plugin picked.
func (c *child) take(picked string, pair *pairCarrier) error {
	var car carrier = pair
	switch {
	case picked == CarrierSocketpair && pair != nil:
	case picked == CarrierStream && c.program.Carrier != CarrierSocketpair:
		if pair != nil {
			pair.close()
		}
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := c.stub.Carry(ctx, grpc.ForceCodecV2(newRawCodec()))
		if err != nil {
			cancel()
			return c.startError(ctx, err)
		}
		car = &streamCarrier{stream: stream, end: cancel}
	default:
		return fmt.Errorf("%w: plugin %s picked the carrier %q, which was not offered", sdk.ErrIncompatible, c.program.Name, picked)
	}
	c.conn = newConn(car, c.handlers.handle, c.stray)
	c.conn.start()
	return nil
}

// stray is told when the plugin sends what makes no sense.
func (c *child) stray(what string) {
	c.logs.logger().Warn("the plugin broke the rules of the frames", "plugin", c.program.Name, "pid", c.proc.ident(), "sent", what)
}

// open opens the plugin in this process.
func (c *child) open(ctx context.Context, env sdk.Env) (*running, error) {
	if env.Logger != nil {
		c.logs.redirect(env.Logger)
	}
	req := &pb.OpenRequest{Env: toPB(&pb.Env{}, env, wire.AppendEnv), LogLevel: c.logs.logger().GetLevel().String()}
	if at, ok := ctx.Deadline(); ok {
		req.Timeout = uint64(max(time.Until(at), 1))
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	reply, err := c.stub.Open(ctx, req)
	if err != nil {
		if over := context.Cause(ctx); over != nil && c.alive() {
			c.kill(fmt.Errorf("it did not open in time: %w", over)) // nobody knows what it holds
			return nil, over
		}
		return nil, c.unavailable("Plugin.Open", err)
	}
	if err := errorOfPB(reply.Err); err != nil {
		return nil, err
	}
	return &running{c: c}, nil
}

// bound returns a context that ends with the child too.
func (c *child) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(errGone) })
	return ctx, func() { stop(); cancel(nil) }
}

// unavailable is the error of a control call that found nobody.
func (c *child) unavailable(what string, err error) error {
	if why := c.reason(); why != nil {
		err = why
	}
	return fmt.Errorf("%w: %s: %w", sdk.ErrUnavailable, what, err)
}

func (c *child) alive() bool { return c.life.Err() == nil && c.conn.alive() }

// reason returns why the child is dead; nil while it is not.
func (c *child) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// kill ends a child that does not do what it must.
func (c *child) kill(why error) {
	c.mu.Lock()
	if c.why == nil {
		c.why = why
	}
	c.mu.Unlock()
	c.proc.kill()
	c.conn.fail(&goneError{c.program.Name, c.proc.ident(), why})
}

// end ends the child and frees everything. Its plugin was drained, or does not
// matter. It blocks until the process is gone and nothing of it runs, for goneGrace
// at most, whatever context the caller has: a killed process takes its time to go.
func (c *child) end() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.conn.fail(errClosed) // a plugin exits by itself when its carrier ends
	select {
	case <-c.proc.done:
	case <-time.After(exitGrace):
		c.proc.kill()
	}
	select {
	case <-c.proc.done:
	case <-time.After(goneGrace):
		return fmt.Errorf("%w: plugin %s: process %d was killed and is not gone after %v", sdk.ErrUnclean, c.program.Name, c.proc.ident(), goneGrace)
	}
	c.free()
	return nil
}

// goneGrace is how long a killed process may take to go: one that waits for a disk
// cannot be killed meanwhile.
const goneGrace = 5 * time.Second

// errClosed is the end of a carrier that the host closed.
var errClosed = errors.New("it was closed")

// exitGrace is how long a plugin whose carrier ended may take to exit.
const exitGrace = 200 * time.Millisecond

// abort ends a child that never got ready.
func (c *child) abort() {
	c.proc.kill()
	if c.proc.ident() != 0 {
		<-c.proc.done
	}
	if c.conn != nil {
		c.conn.fail(errClosed)
	}
	c.free()
}

// free waits for what ran for the child, once the process is gone.
func (c *child) free() {
	c.ended.Do(func() {
		c.stop()
		c.client.Kill() // returns soon: there is nobody to wait for
		if c.conn != nil {
			c.conn.wait()
		}
		c.wg.Wait()
	})
}
