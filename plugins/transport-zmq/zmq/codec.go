package zmq

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/go-zeromq/zmq4"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

const (
	frameHeader = 9         // kind(1) id(8)
	sealBytes   = 16        // of the MAC that ends a sealed frame
	keepBytes   = 256 << 10 // a larger buffer is not kept for reuse
)

// codec puts each frame into one ZMTP message: kind(1) id(8) payload and, on TCP, a
// seal.
type codec struct {
	guard *guard
	zmtp  *zmq4.Conn
	in    *seal // nil: frames are not sealed
	out   *seal

	frame [][]byte // holds one, the frame that Append makes
}

var _ stream.Codec = (*codec)(nil)

// newCodec takes over a proved connection.
func newCodec(g *guard, z *zmq4.Conn, in, out *seal) *codec {
	g.limit = frameHeader + stream.MaxPayload
	if in != nil {
		g.limit += sealBytes
	}
	return &codec{guard: g, zmtp: z, in: in, out: out, frame: [][]byte{nil}}
}

// Start implements [stream.Codec].
func (c *codec) Start(send func([]byte)) {
	c.guard.collect = true
	c.guard.pong = send
}

// Append implements [stream.Codec].
func (c *codec) Append(b []byte, kind byte, id uint64, fields, body []byte) []byte {
	m := c.message(kind, id, fields, body)
	c.frame[0] = m
	c.guard.out = b
	_ = c.zmtp.SendMsg(zmq4.Msg{Frames: c.frame}) // into memory; if zmq4 saw the end already, nobody misses it
	b, c.guard.out = c.guard.out, nil
	if cap(m) > keepBytes {
		c.frame[0] = nil
	}
	return b
}

// message returns a frame as one message.
func (c *codec) message(kind byte, id uint64, fields, body []byte) []byte {
	m := binary.BigEndian.AppendUint64(append(c.frame[0][:0], kind), id)
	m = append(append(m, fields...), body...)
	if c.out != nil {
		m = c.out.append(m)
	}
	return m
}

// Read implements [stream.Codec].
func (c *codec) Read() (stream.Frame, error) {
	p, err := receive(c.zmtp)
	if err != nil {
		return stream.Frame{}, err
	}
	if c.in != nil {
		if p, err = c.in.open(p); err != nil {
			return stream.Frame{}, err
		}
	}
	if len(p) < frameHeader {
		return stream.Frame{}, foreign("a frame of %d bytes; a header has %d", len(p), frameHeader)
	}
	return stream.Frame{Kind: p[0], ID: binary.BigEndian.Uint64(p[1:]), Payload: p[frameHeader:]}, nil
}

// receive returns the next message. The guard has seen that it has one part.
func receive(z *zmq4.Conn) ([]byte, error) {
	m, err := z.RecvMsg()
	if err != nil {
		return nil, err
	}
	return m.Frames[0], nil
}

// seal proves that the frames of one direction come from the peer and in its order:
// each ends with a MAC over its number and its content. It is one goroutine's.
type seal struct {
	mac    hash.Hash
	number uint64
	sum    [sha256.Size]byte
}

func newSeal(key []byte) *seal { return &seal{mac: hmac.New(sha256.New, key)} }

// of returns the MAC of the next frame.
func (s *seal) of(content []byte) []byte {
	s.mac.Reset()
	binary.BigEndian.PutUint64(s.sum[:], s.number)
	s.number++
	s.mac.Write(s.sum[:8])
	s.mac.Write(content)
	return s.mac.Sum(s.sum[:0])[:sealBytes]
}

func (s *seal) append(content []byte) []byte { return append(content, s.of(content)...) }

// open returns the content of a sealed frame.
func (s *seal) open(p []byte) ([]byte, error) {
	n := max(len(p)-sealBytes, 0)
	if !hmac.Equal(p[n:], s.of(p[:n])) {
		return nil, &stream.Refusal{Counter: stream.CountProof, Err: fmt.Errorf(
			"%w: frame %d was not sealed by the peer: somebody else's, repeated, left out or out of order", sdk.ErrInvalid, s.number-1)}
	}
	return p[:n], nil
}
