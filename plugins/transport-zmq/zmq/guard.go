package zmq

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// ZMTP 3, as far as the guard has to know it (https://rfc.zeromq.org/spec/23/).
const (
	greetingBytes  = 64
	signatureBytes = 10
	flagMore       = 1
	flagLong       = 2
	flagCommand    = 4
	maxCommand     = 2048 // libzmq's READY has some 50 bytes, and up to 255 of identity
	readBufBytes   = 64 << 10
)

// guard is the connection that zmq4 sees. What comes from the peer passes on only
// after a look at it: zmq4 allocates whatever a frame's header claims, and panics on
// that and on damaged metadata. What zmq4 writes is collected once the connection is
// proved, so that it leaves in one piece through the outbox and waits for nobody.
type guard struct {
	stream.Conn
	in    *bufio.Reader
	peer  string // the socket type that the other side must have
	limit uint64 // size of the largest message that may come now
	pong  func([]byte)

	greeted bool
	ready   bool   // the peer's READY has passed
	head    []byte // checked, to be passed on
	left    uint64 // bytes of the present frame to be passed on after head

	collect bool
	out     []byte // what zmq4 wrote since collect
}

func newGuard(c stream.Conn, peer string) *guard {
	g := &guard{Conn: c, in: bufio.NewReaderSize(c, readBufBytes), peer: peer, limit: maxHello}
	g.pong = func(b []byte) { _, _ = c.Write(b) } // the reader would see the failure
	return g
}

// Write implements net.Conn for zmq4.
func (g *guard) Write(p []byte) (int, error) {
	if !g.collect {
		return g.Conn.Write(p)
	}
	g.out = append(g.out, p...)
	return len(p), nil
}

// Read implements net.Conn for zmq4.
func (g *guard) Read(p []byte) (int, error) {
	for len(g.head) == 0 && g.left == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	n, err := g.in.Read(p[:min(uint64(len(p)), g.left)])
	g.left -= uint64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next looks at what comes next and puts it into head and left.
func (g *guard) next() error {
	if !g.greeted {
		g.greeted = true
		return g.greeting()
	}
	flags, err := g.in.ReadByte()
	if err != nil {
		return err
	}
	head := []byte{flags}
	if flags&flagLong == 0 {
		head = append(head, 0)
	} else {
		head = append(head, make([]byte, 8)...)
	}
	if _, err := io.ReadFull(g.in, head[1:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	size := uint64(head[1])
	if flags&flagLong != 0 {
		size = binary.BigEndian.Uint64(head[1:])
	}
	switch {
	case flags&^(flagMore|flagLong|flagCommand) != 0:
		return foreign("a frame with flags %#x", flags)
	case flags&flagCommand != 0:
		return g.command(size)
	case !g.ready:
		return foreign("a message before READY")
	case flags&flagMore != 0:
		return foreign("a message of several parts; ours have one, without an empty part before it")
	case size > g.limit:
		return foreign("a message of %d bytes, the limit is %d", size, g.limit)
	}
	g.head, g.left = head, size
	return nil
}

// foreign refuses what is not ZMTP or not ours.
func foreign(format string, args ...any) error {
	return &stream.Refusal{Counter: stream.CountProtocol,
		Err: fmt.Errorf("%w: the peer sent "+format, append([]any{sdk.ErrIncompatible}, args...)...)}
}

// greeting passes the peer's greeting on. The first bytes tell a stranger, who need
// not send them all.
func (g *guard) greeting() error {
	b := make([]byte, greetingBytes)
	if _, err := io.ReadFull(g.in, b[:1]); err != nil {
		return err
	}
	if b[0] != 0xff {
		return foreign("%#x first; it does not speak ZMTP 3", b[0])
	}
	if _, err := io.ReadFull(g.in, b[1:signatureBytes]); err != nil {
		return io.ErrUnexpectedEOF
	}
	if b[9] != 0x7f {
		return foreign("a signature that is not ZMTP's")
	}
	if _, err := io.ReadFull(g.in, b[signatureBytes:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	if b[10] < 3 {
		return foreign("the greeting of ZMTP %d; use 3.0 or newer", b[10])
	}
	if mechanism := strings.TrimRight(string(b[12:32]), "\x00"); mechanism != "NULL" {
		return foreign("security mechanism %q; use NULL, the proof comes in messages", mechanism)
	}
	g.head = b
	return nil
}

// command reads a command to its end. READY passes on, once; a PING is answered here,
// because zmq4 would write its answer in the middle of another message, and nothing
// else is of use.
func (g *guard) command(size uint64) error {
	if size > maxCommand {
		return foreign("a command of %d bytes, the limit is %d", size, maxCommand)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(g.in, body); err != nil {
		return io.ErrUnexpectedEOF
	}
	if size == 0 || 1+int(body[0]) > len(body) {
		return foreign("a command without a name")
	}
	name, data := string(body[1:1+body[0]]), body[1+body[0]:]
	switch {
	case g.ready && name == "PING" && len(data) >= 2 && len(data) <= 18: // time to live, context
		g.pong(appendCommand(nil, append([]byte("\x04PONG"), data[2:]...)))
	case g.ready:
	case name != "READY":
		return foreign("command %q instead of READY", name)
	default:
		if err := g.checkReady(data); err != nil {
			return err
		}
		g.ready, g.head = true, appendCommand(nil, body)
	}
	return nil
}

func appendCommand(b, body []byte) []byte {
	if len(body) < 256 {
		return append(append(b, flagCommand, byte(len(body))), body...)
	}
	b = append(b, flagCommand|flagLong)
	return append(binary.BigEndian.AppendUint64(b, uint64(len(body))), body...)
}

// checkReady walks the properties of READY, in which zmq4 would run off the end, and
// checks the peer's socket type. Its identity is nothing to us: a peer is its
// connection, so two may have the same.
func (g *guard) checkReady(p []byte) error {
	socket := ""
	for len(p) > 0 {
		n := int(p[0])
		if n == 0 || len(p) < 1+n+4 {
			return foreign("damaged metadata")
		}
		name := string(p[1 : 1+n])
		size := uint64(binary.BigEndian.Uint32(p[1+n:]))
		p = p[1+n+4:]
		if size > uint64(len(p)) {
			return foreign("damaged metadata")
		}
		if strings.EqualFold(name, "Socket-Type") {
			socket = string(p[:size])
		}
		p = p[size:]
	}
	if socket != g.peer {
		return foreign("socket type %q; use %s", socket, g.peer)
	}
	return nil
}
