//go:build unix

package remote

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

const benchBytes = 200

// rawPeer starts the raw echo and returns our end of its socket.
func rawPeer(b testing.TB) net.Conn {
	b.Helper()
	ours, theirs, err := socketpair()
	if err != nil {
		b.Fatal(err)
	}
	p := program(b, "raw")
	cmd := exec.Command(p.Path)
	cmd.Env, cmd.ExtraFiles = p.Env, []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	theirs.Close()
	b.Cleanup(func() { ours.close(); _ = cmd.Wait() })
	return ours.conn
}

// BenchmarkRaw is the floor: one round trip on a bare socket between two processes.
func BenchmarkRaw(b *testing.B) {
	c, buf := rawPeer(b), make([]byte, benchBytes)
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRaw64 keeps 64 messages on their way on a bare socket: for each read it
// sends as many as came back, in one write.
func BenchmarkRaw64(b *testing.B) {
	const window = 64
	c, out, in := rawPeer(b), make([]byte, window*benchBytes), make([]byte, window*benchBytes)
	send := func(n int) {
		if _, err := c.Write(out[:n*benchBytes]); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	send(window)
	for done, have := 0, 0; done < b.N; {
		n, err := c.Read(in)
		if err != nil {
			b.Fatal(err)
		}
		have += n
		done += have / benchBytes
		send(have / benchBytes)
		have %= benchBytes
	}
}

// benchmarkCall is a question to a store and its answer, of benchBytes each.
func benchmarkCall(b *testing.B, carrier string, callers int) {
	p := program(b, "good")
	p.Carrier = carrier
	db, err := openProgram(b, p, nil).Store().Open(context.Background(), sdk.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("x", benchBytes)
	b.ReportAllocs()
	b.ResetTimer()
	if callers == 1 {
		for range b.N {
			if _, err := db.Prepare(context.Background(), text); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(callers / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Prepare(context.Background(), text); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkSocketpair(b *testing.B)   { benchmarkCall(b, CarrierSocketpair, 1) }
func BenchmarkSocketpair64(b *testing.B) { benchmarkCall(b, CarrierSocketpair, 64) }
func BenchmarkStream(b *testing.B)       { benchmarkCall(b, CarrierStream, 1) }
func BenchmarkStream64(b *testing.B)     { benchmarkCall(b, CarrierStream, 64) }

func benchmarkLaunch(b *testing.B, tls bool) {
	p := program(b, "good")
	p.TLS = tls
	for b.Loop() {
		pl, err := Launch(context.Background(), p)
		if err != nil {
			b.Fatal(err)
		}
		r, err := pl.Open(context.Background(), sdk.Env{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Watcher().Judge(context.Background(), sdk.Evidence{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		pl.Close(context.Background())
		b.StartTimer()
	}
}

func BenchmarkLaunch(b *testing.B)    { benchmarkLaunch(b, false) }
func BenchmarkLaunchTLS(b *testing.B) { benchmarkLaunch(b, true) }
