package unix

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// A frame is
//
//	length(4) kind(1) id(8) payload
//
// big endian; length counts what follows it.
const (
	headerBytes  = 13
	maxFrame     = stream.MaxPayload
	readBufBytes = 64 << 10
)

// codec puts frames onto a socket as they are.
type codec struct{ in *bufio.Reader }

var _ stream.Codec = codec{}

func newCodec(r io.Reader) codec { return codec{bufio.NewReaderSize(r, readBufBytes)} }

// Start implements [stream.Codec]. Nothing goes between two frames.
func (codec) Start(func([]byte)) {}

// Append implements [stream.Codec].
func (codec) Append(b []byte, kind byte, id uint64, fields, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(headerBytes-4+len(fields)+len(body)))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, id)
	b = append(b, fields...)
	return append(b, body...)
}

// Read implements [stream.Codec].
func (c codec) Read() (stream.Frame, error) {
	head, err := c.in.Peek(headerBytes)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return stream.Frame{}, err
	}
	n := binary.BigEndian.Uint32(head)
	f := stream.Frame{Kind: head[4], ID: binary.BigEndian.Uint64(head[5:])}
	if n < headerBytes-4 || n > maxFrame {
		return stream.Frame{}, fmt.Errorf("%w: frame of %d bytes, the limit is %d; the peer does not speak our protocol",
			sdk.ErrInvalid, n, maxFrame)
	}
	if _, err := c.in.Discard(headerBytes); err != nil {
		return stream.Frame{}, err
	}
	if size := int(n) - (headerBytes - 4); size > 0 {
		f.Payload = make([]byte, size)
		if _, err := io.ReadFull(c.in, f.Payload); err != nil {
			return stream.Frame{}, io.ErrUnexpectedEOF
		}
	}
	return f, nil
}
