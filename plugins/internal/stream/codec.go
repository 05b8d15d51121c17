package stream

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Codec puts frames onto one proved connection and takes them off it. Append and
// Read may run at the same time; neither runs twice at once.
type Codec interface {
	// Start is called once, before the first Read. send queues bytes that belong
	// between two frames, such as the answer to a ping. It never blocks.
	Start(send func([]byte))
	// Append appends a frame to b, which is what goes onto the connection next. Its
	// payload is fields and then body.
	Append(b []byte, kind byte, id uint64, fields, body []byte) []byte
	// Read blocks for the next frame and checks its length before memory is set
	// aside. [sdk.ErrInvalid], possibly in a *[Refusal], when it is none of ours.
	Read() (Frame, error)
}

// Conn is a connection that can be written to without waiting: of a TCP or a Unix
// domain socket.
type Conn interface {
	net.Conn
	syscall.Conn
	CloseRead() error
}

// Listener is a bound endpoint.
type Listener interface {
	// Accept blocks for the next connection, a [Conn]; [net.ErrClosed] after Unbind.
	Accept() (net.Conn, error)
	// Unbind stops accepting and removes what was bound, if it is still ours.
	Unbind()
}

// Answer is the server's side of a handshake. It reads and writes c, which has a
// deadline, and writes the refusal itself. [ErrProbe] if the peer only asked who we are.
type Answer func(c Conn) (Codec, sdk.Peer, error)

// Introduce is the client's side. An error that is not of the closed set means that
// nobody answered as a server would.
type Introduce func(c Conn) (Codec, sdk.Peer, error)

// WithDeadline bounds all I/O of do on c by d and by ctx, and takes the bound
// away afterwards.
func WithDeadline(ctx context.Context, c net.Conn, d time.Duration, do func() error) error {
	at := time.Now().Add(d)
	if t, ok := ctx.Deadline(); ok && t.Before(at) {
		at = t
	}
	_ = c.SetDeadline(at)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := do()
	if !stop() && err == nil {
		err = ctx.Err() // the deadline may be set after this; the caller closes c
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	return err
}
