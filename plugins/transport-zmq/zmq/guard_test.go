package zmq

import (
	"bytes"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/null"

	"github.com/ramet-io/ramet/plugins/internal/stream"
)

// tape is a connection from which a peer's bytes come and on which nothing goes out.
type tape struct {
	stream.Conn
	in *bytes.Reader
}

func (t tape) Read(p []byte) (int, error)     { return t.in.Read(p) }
func (tape) Write(p []byte) (int, error)      { return len(p), nil }
func (tape) Close() error                     { return nil }
func (tape) SetDeadline(time.Time) error      { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = tape{}

// FuzzGuard runs zmq4 behind the guard on what a peer may send: no input may make it
// panic, and no message passes that is larger than allowed.
func FuzzGuard(f *testing.F) {
	start := append(greeting("NULL"), ready("DEALER")...)
	f.Add(slices.Concat(start, []byte{0, 3, 'a', 'b', 'c'}, command("PING", 0, 1, 'x'), long(0, 300), make([]byte, 300)))
	f.Add(append(greeting("NULL"), command("READY", 11, 'S', 'o', 'c')...))
	f.Add(append(slices.Clone(start), long(0, 1<<62)...))
	f.Add(append(slices.Clone(start), 1, 1, 'x', 0, 1, 'y'))
	f.Fuzz(func(t *testing.T, in []byte) {
		g := newGuard(tape{in: bytes.NewReader(in)}, "DEALER")
		z, err := zmq4.Open(g, null.Security(), zmq4.Router, nil, true, nil)
		if err != nil {
			return
		}
		g.limit = 256
		for {
			m, err := receive(z)
			if err != nil {
				return
			}
			if len(m) > 256 {
				t.Fatalf("a message of %d bytes passed", len(m))
			}
		}
	})
}
