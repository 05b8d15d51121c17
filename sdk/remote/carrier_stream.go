package remote

import (
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that rawCodec wraps
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// frameStream is either side of the Carry method.
type frameStream interface {
	SendMsg(any) error
	RecvMsg(any) error
}

// streamCarrier carries frames in the messages of a gRPC stream, as many in each as
// are there.
type streamCarrier struct {
	stream frameStream
	rest   []byte // of the message received last
	end    func()
}

// Read gives the bytes of the messages, one after the other.
func (s *streamCarrier) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		var m rawFrames
		if err := s.stream.RecvMsg(&m); err != nil {
			if c := status.Code(err); c == codes.Unavailable || c == codes.Canceled {
				err = io.EOF // gRPC's words for it
			}
			return 0, err
		}
		s.rest = m.bytes
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// try takes nothing: sending may wait for the other side, and does not say so
// before.
func (s *streamCarrier) try([]byte) (int, error) { return 0, nil }

// write sends whole frames in messages of a few parts' size.
func (s *streamCarrier) write(p []byte) error {
	for len(p) > 0 {
		n := 0
		for n < len(p) {
			_, size, err := cut(p[n:])
			if err != nil {
				return err
			}
			if n > 0 && n+size > 2*partBytes {
				break
			}
			n += size
		}
		if err := s.stream.SendMsg(&rawFrames{p[:n]}); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (s *streamCarrier) close() { s.end() }

// rawFrames is a Frames message as its bytes, which is what the outbox makes and the
// reader cuts. The generated type would copy each frame.
type rawFrames struct{ bytes []byte }

// rawCodec lets rawFrames pass as they are, and leaves the rest to the usual codec.
// On the wire there is no difference.
type rawCodec struct{ encoding.CodecV2 }

func newRawCodec() rawCodec { return rawCodec{encoding.GetCodecV2("proto")} }

// Marshal copies: the outbox reuses its buffer, and gRPC sends later.
func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*rawFrames); ok {
		return mem.BufferSlice{mem.Copy(m.bytes, mem.DefaultBufferPool())}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*rawFrames); ok {
		m.bytes = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
