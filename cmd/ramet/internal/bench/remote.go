package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

const (
	boundaryBytes  = 200 // of a question, and of its answer
	boundaryWindow = 64  // callers, or messages in flight on the bare socket
	boundaryBlock  = 500 // round trips before it is another's turn
)

// Remote is what the process boundary costs, beside a bare Unix socket between the
// same two programs.
type Remote struct {
	RawUS        float64       `json:"raw_us"` // median round trip on the bare socket, one caller
	SocketpairUS float64       `json:"socketpair_us"`
	StreamUS     float64       `json:"stream_us"`
	RawPerS      float64       `json:"raw_per_s"` // messages a second, 64 in flight, each written by itself
	SocketpairPS float64       `json:"socketpair_per_s"`
	StreamPS     float64       `json:"stream_per_s"`
	LaunchMS     demo.Quantile `json:"launch_ms"` // from Launch to the first answer
	LaunchTLSMS  demo.Quantile `json:"launch_tls_ms"`
	GoneMS       demo.Quantile `json:"gone_ms"` // from the host's SIGKILL until its plugin is gone
	Rounds       int           `json:"rounds"`
	Machine      Machine       `json:"machine"`
}

// RunRemote measures rounds round trips with one caller, as many times boundaryWindow
// with many, and launches launches.
func RunRemote(ctx context.Context, parent string, rounds, launches int) (Remote, error) {
	dir, err := os.MkdirTemp(parent, "ramet-bench-")
	if err != nil {
		return Remote{}, err
	}
	defer os.RemoveAll(dir)
	r := Remote{Rounds: rounds, Machine: thisMachine()}
	raw, err := startRaw(ctx, dir)
	if err != nil {
		return r, err
	}
	defer raw.end()
	pair, err := startEcho(ctx, remote.CarrierSocketpair)
	if err != nil {
		return r, err
	}
	defer pair.end()
	stream, err := startEcho(ctx, remote.CarrierStream)
	if err != nil {
		return r, err
	}
	defer stream.end()
	took, err := inTurns(rounds, raw.round, pair.round, stream.round)
	if err != nil {
		return r, err
	}
	r.RawUS, r.SocketpairUS, r.StreamUS = micros(took[0]), micros(took[1]), micros(took[2])
	per, err := throughputs(rounds*boundaryWindow/8, raw.many, pair.many, stream.many)
	if err != nil {
		return r, err
	}
	r.RawPerS, r.SocketpairPS, r.StreamPS = per[0], per[1], per[2]
	if r.LaunchMS, err = timeLaunches(ctx, launches, false); err != nil {
		return r, err
	}
	if r.LaunchTLSMS, err = timeLaunches(ctx, launches, true); err != nil {
		return r, err
	}
	r.GoneMS, err = timeDeaths(ctx, launches)
	return r, err
}

// inTurns times round trips of each kind in blocks. The first block of each warms up.
func inTurns(rounds int, kinds ...func() error) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(kinds))
	for block := 0; len(took[len(kinds)-1]) < rounds; block++ {
		which := block % len(kinds)
		for range boundaryBlock {
			began := time.Now()
			if err := kinds[which](); err != nil {
				return nil, err
			}
			if block >= len(kinds) {
				took[which] = append(took[which], time.Since(began))
			}
		}
	}
	return took, nil
}

// throughputs returns the median messages a second of five turns of each kind.
func throughputs(n int, kinds ...func(int) error) ([]float64, error) {
	const turns = 5
	per := make([][]float64, len(kinds))
	for range turns {
		for i, many := range kinds {
			began := time.Now()
			if err := many(n); err != nil {
				return nil, err
			}
			per[i] = append(per[i], float64(n)/time.Since(began).Seconds())
		}
	}
	medians := make([]float64, len(kinds))
	for i, p := range per {
		slices.Sort(p)
		medians[i] = float64(int(p[len(p)/2]))
	}
	return medians, nil
}

// raw is the bare socket to another process that sends back what it gets.
type raw struct {
	cmd  *exec.Cmd
	conn net.Conn
	out  []byte
	in   []byte
}

func startRaw(ctx context.Context, dir string) (*raw, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	r := &raw{cmd: exec.CommandContext(ctx, program, "raw-echo", path), out: make([]byte, boundaryBytes), in: make([]byte, boundaryWindow*boundaryBytes)}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.conn, err = l.Accept()
	return r, err
}

func (r *raw) end() {
	_ = r.conn.Close()
	_ = r.cmd.Wait()
}

func (r *raw) round() error {
	if _, err := r.conn.Write(r.out); err != nil {
		return err
	}
	_, err := io.ReadFull(r.conn, r.in[:boundaryBytes])
	return err
}

// many sends a message for each that came back.
func (r *raw) many(n int) error {
	have := 0
	for sent, done := 0, 0; done < n; {
		for sent < n && sent < done+boundaryWindow {
			if _, err := r.conn.Write(r.out); err != nil {
				return err
			}
			sent++
		}
		m, err := r.conn.Read(r.in)
		if err != nil {
			return err
		}
		have += m
		done += have / boundaryBytes
		have %= boundaryBytes
	}
	return nil
}

// RawEcho sends back what comes over the socket at path. It is the other side of
// the bare socket.
func RawEcho(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, boundaryWindow*boundaryBytes)
	for {
		n, err := c.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// echo is a plugin program whose store gives back the text that it prepares.
type echo struct {
	plugin *remote.Plugin
	opened sdk.Running
	db     sdk.DB
	text   string
}

func echoProgram() (remote.Program, error) {
	path, err := os.Executable()
	return remote.Program{Path: path, Args: []string{"echo-plugin"}}, err
}

func startEcho(ctx context.Context, carrier string) (*echo, error) {
	p, err := echoProgram()
	if err != nil {
		return nil, err
	}
	p.Carrier = carrier
	return launchEcho(ctx, p)
}

func launchEcho(ctx context.Context, p remote.Program) (e *echo, err error) {
	e = &echo{text: strings.Repeat("x", boundaryBytes)}
	if e.plugin, err = remote.Launch(ctx, p); err != nil {
		return nil, err
	}
	if e.opened, err = e.plugin.Open(ctx, sdk.Env{}); err != nil {
		return nil, errors.Join(err, e.plugin.Close(ctx))
	}
	if e.db, err = e.opened.Store().Open(ctx, sdk.OpenOptions{}); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

func (e *echo) end() {
	_ = e.opened.Close(context.Background())
	_ = e.plugin.Close(context.Background())
}

func (e *echo) round() error {
	_, err := e.db.Prepare(context.Background(), e.text)
	return err
}

func (e *echo) many(n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, boundaryWindow)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = e.round()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func timeLaunches(ctx context.Context, n int, tls bool) (demo.Quantile, error) {
	p, err := echoProgram()
	if err != nil {
		return demo.Quantile{}, err
	}
	p.TLS = tls
	took := make([]time.Duration, 0, n)
	for range n {
		began := time.Now()
		e, err := launchEcho(ctx, p)
		if err == nil {
			err = e.round()
		}
		if err != nil {
			return demo.Quantile{}, err
		}
		took = append(took, time.Since(began))
		e.end()
	}
	return demo.Quantiles(took), nil
}

// timeDeaths kills hosts and waits for their plugins.
func timeDeaths(ctx context.Context, n int) (demo.Quantile, error) {
	program, err := os.Executable()
	if err != nil {
		return demo.Quantile{}, err
	}
	took := make([]time.Duration, 0, n)
	for range n {
		cmd := exec.CommandContext(ctx, program, "echo-host")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return demo.Quantile{}, err
		}
		if err := cmd.Start(); err != nil {
			return demo.Quantile{}, err
		}
		var pid int
		if _, err := fmt.Fscan(out, &pid); err != nil {
			return demo.Quantile{}, err
		}
		began := time.Now()
		_ = cmd.Process.Kill()
		for !isGone(pid) {
			time.Sleep(20 * time.Microsecond)
		}
		took = append(took, time.Since(began))
		_ = cmd.Wait()
	}
	return demo.Quantiles(took), nil
}

// isGone reports whether a process is no more; one that nobody has reaped yet is.
func isGone(pid int) bool {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		return strings.Contains(string(b), ") Z ")
	}
	p, err := os.FindProcess(pid)
	return err != nil || p.Signal(syscall.Signal(0)) != nil
}

// EchoHost launches the echo plugin, prints its process id and waits to be killed.
func EchoHost(ctx context.Context, out io.Writer) error {
	e, err := startEcho(ctx, "")
	if err != nil {
		return err
	}
	defer e.end()
	h, err := e.opened.WaitHealth(ctx, 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, h.PID)
	<-ctx.Done()
	return nil
}

// Err returns nil.
func (r Remote) Err() error { return nil }

// Print prints the figures for people.
func (r Remote) Print(out io.Writer) error {
	one := func(name string, us, most float64) {
		fmt.Fprintf(out, "round trip, %-11s %7.2f us  %.2fx the bare socket (target %.1fx)\n", name, us, ratio(us, r.RawUS), most)
	}
	fmt.Fprintf(out, "round trip, %-11s %7.2f us  n %d, %d bytes each way\n", "bare socket", r.RawUS, r.Rounds, boundaryBytes)
	one("socketpair", r.SocketpairUS, 1.5)
	one("stream", r.StreamUS, 4)
	many := func(name string, per, least float64) {
		fmt.Fprintf(out, "%d in flight, %-11s %8.0f/s  %.2f of the bare socket (target %.2f)\n", boundaryWindow, name, per, ratio(per, r.RawPerS), least)
	}
	fmt.Fprintf(out, "%d in flight, %-11s %8.0f/s\n", boundaryWindow, "bare socket", r.RawPerS)
	many("socketpair", r.SocketpairPS, 0.40)
	many("stream", r.StreamPS, 0.35)
	times := func(name string, q demo.Quantile, target int) {
		fmt.Fprintf(out, "%-26s p50 %6.2f ms  p99 %6.2f ms  max %6.2f ms  n %d  (target %d ms)\n", name, q.P50, q.P99, q.Max, q.Count, target)
	}
	times("launch to first answer", r.LaunchMS, 9)
	times("the same with TLS", r.LaunchTLSMS, 12)
	times("gone after host's SIGKILL", r.GoneMS, 5)
	return nil
}
