package remote

import (
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
)

// Both carriers move the bytes of a Frames message (frame.proto): for each frame
// the tag of field 1, a length and a Frame. So one buffer of frames is a gRPC
// message, and on a socketpair the message just never ends.

// maxFrame is the longest frame, without tag and length: the largest message with
// room for what is around it.
const maxFrame = sdk.MaxMessageBytes + 64<<10

// partBytes is the most of a body that one frame of ours has: a larger body goes in
// parts. maxBody is the largest, what SQLite takes as one value with room around it.
const (
	partBytes = 1 << 20
	maxBody   = 1<<30 + 1<<20
)

const frameTag = 1<<3 | byte(protowire.BytesType)

// kind says what a frame is.
type kind uint8

const (
	kindRequest kind = 1
	kindReply   kind = 2
	kindError   kind = 3
	kindCancel  kind = 4
	kindPing    kind = 5
	kindPong    kind = 6
	// Parts of the body of the request, or answer, of the same id that follows.
	kindRequestPart kind = 7
	kindAnswerPart  kind = 8
)

// part returns the kind of frame that carries a part of k's body.
func (k kind) part() kind {
	if k == kindRequest {
		return kindRequestPart
	}
	return kindAnswerPart
}

// frame is one frame. The body of a frame that was read is part of the reader's
// buffer, which is never written again.
type frame struct {
	kind      kind
	id        uint64
	op        op
	object    uint64
	epoch     uint64
	timeout   time.Duration // 0: none
	abandoned bool
	body      []byte
}

// lengthBytes is the room kept for a length that is not known yet: a varint of
// four bytes holds 2^28-1. Leading zeros are fine for every protobuf reader.
const lengthBytes = 4

// openFrame appends f without its body. Append the body, then call shutFrame, or
// sealFrame if the body may be large.
func openFrame(b []byte, f *frame) []byte {
	b = append(b, frameTag, 0, 0, 0, 0)
	b = append(b, 1<<3, byte(f.kind), 2<<3)
	b = protowire.AppendVarint(b, f.id)
	b = appendField(b, 3, uint64(f.op))
	b = appendField(b, 4, f.object)
	b = appendField(b, 5, f.epoch)
	b = appendField(b, 6, uint64(f.timeout))
	if f.abandoned {
		b = appendField(b, 7, 1)
	}
	return append(b, 8<<3|byte(protowire.BytesType), 0, 0, 0, 0)
}

func appendField(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(append(b, byte(num)<<3), v)
}

// shutFrame writes the lengths of the frame that begins at start and whose body
// begins at body. It returns false if the frame is too long.
func shutFrame(b []byte, start, body int) bool {
	first := start + 1 + lengthBytes
	if len(b)-first > maxFrame {
		return false
	}
	putLength(b[start+1:], len(b)-first)
	putLength(b[body-lengthBytes:], len(b)-body)
	return true
}

func putLength(b []byte, n int) {
	b[0], b[1], b[2], b[3] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)|0x80, byte(n>>21)
}

// sealFrame is shutFrame for a body of any size: a large one goes in parts before
// the frame. It returns false, and b as it was before, if the body is too large.
func sealFrame(b []byte, start, body int, f *frame) ([]byte, bool) {
	switch n := len(b) - body; {
	case n <= partBytes:
		return b, shutFrame(b, start, body)
	case n > maxBody:
		return b[:start], false
	}
	rest := append([]byte(nil), b[body:]...)
	b = b[:start]
	for ; len(rest) > partBytes; rest = rest[partBytes:] {
		b = appendFrame(b, &frame{kind: f.kind.part(), id: f.id}, rest[:partBytes])
	}
	return appendFrame(b, f, rest), true
}

// appendFrame appends f with a body that is not large.
func appendFrame(b []byte, f *frame, body []byte) []byte {
	start := len(b)
	b = openFrame(b, f)
	at := len(b)
	b = append(b, body...)
	shutFrame(b, start, at)
	return b
}

// parts puts bodies together again. What is not whole yet is at most maxParts in
// all, whatever the other side sends.
type parts map[partKey][]byte

// maxParts bounds the bytes of bodies that are not whole: one of the largest, and
// some of a usual size.
const maxParts = maxBody + 256<<20

// maxOpenBodies bounds how many bodies come in parts at the same time.
const maxOpenBodies = 4096

type partKey struct {
	of kind // request or answer part
	id uint64
}

// add takes in a part.
func (p parts) add(f *frame) error {
	key := partKey{f.kind, f.id}
	if len(p[key])+len(f.body) > maxBody {
		return errFrame(fmt.Sprintf("the parts of a body have more than %d bytes", maxBody))
	}
	held := len(f.body)
	for _, b := range p {
		held += len(b)
	}
	if held > maxParts || len(p) > maxOpenBodies {
		return errFrame(fmt.Sprintf("%d bodies that are not whole have %d bytes, the limits are %d and %d", len(p)+1, held, maxOpenBodies, maxParts))
	}
	p[key] = append(p[key], f.body...)
	return nil
}

// join makes a frame's body whole.
func (p parts) join(f *frame) {
	if len(p) == 0 {
		return
	}
	key := partKey{f.kind.part(), f.id}
	if before, ok := p[key]; ok {
		f.body = append(before, f.body...)
		delete(p, key)
	}
}

// parseFrame reads a frame, without its tag and length. The body is part of b.
func parseFrame(b []byte) (frame, error) {
	var f frame
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return f, errFrame("a field's tag is damaged")
		}
		b = b[n:]
		switch {
		case typ == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 || !f.set(num, v) {
				return f, errFrame(fmt.Sprintf("the number in field %d is damaged or out of range", num))
			}
			b = b[n:]
		case typ == protowire.BytesType && num == 8:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return f, errFrame("its body is cut short")
			}
			f.body, b = v, b[n:]
		default: // of a later version
			n := protowire.ConsumeFieldValue(num, typ, b)
			if n < 0 {
				return f, errFrame(fmt.Sprintf("field %d is damaged", num))
			}
			b = b[n:]
		}
	}
	if f.kind == 0 {
		return f, errFrame("it does not say what it is")
	}
	return f, nil
}

// set sets a field; false if the number does not fit.
func (f *frame) set(num protowire.Number, v uint64) bool {
	switch num {
	case 1:
		if v > math.MaxUint8 {
			return false
		}
		f.kind = kind(v)
	case 2:
		f.id = v
	case 3:
		if v > math.MaxUint32 {
			return false
		}
		f.op = op(v)
	case 4:
		f.object = v
	case 5:
		f.epoch = v
	case 6:
		f.timeout = time.Duration(min(v, math.MaxInt64))
	case 7:
		f.abandoned = v != 0
	}
	return true
}

func errFrame(what string) error {
	return fmt.Errorf("%w: a frame cannot be read: %s; the other side is broken or of a version that does not fit", sdk.ErrInvalid, what)
}

// slabBytes is how much a reader takes from its carrier at once.
const slabBytes = 64 << 10

// slabRest is the smallest rest of a slab that is still read into.
const slabRest = 4 << 10

// frameReader cuts the bytes of a carrier into frames. Frames lie in slabs that
// are never reused, so what was read stays valid for as long as somebody holds it,
// and no frame costs an allocation of its own.
type frameReader struct {
	src io.Reader
	buf []byte // read and not cut yet; its capacity is the rest of the slab
	err error  // of src
}

// next returns the next frame. io.EOF at the end between two frames,
// io.ErrUnexpectedEOF inside one, [sdk.ErrInvalid] for what is no frame.
func (r *frameReader) next() (frame, error) {
	for {
		b, need, err := cut(r.buf)
		if err != nil {
			return frame{}, err
		}
		if b != nil {
			r.buf = r.buf[need:]
			return parseFrame(b)
		}
		if err := r.fill(need); err != nil {
			return frame{}, err
		}
	}
}

// cut returns the frame at the front of b, and how many bytes it takes with tag and
// length. Without enough bytes the frame is nil, and need says how many there must
// be to go on. The length is checked before anybody sets memory aside for it.
func cut(b []byte) (f []byte, need int, err error) {
	if len(b) == 0 {
		return nil, 1, nil
	}
	if b[0] != frameTag {
		return nil, 0, errFrame(fmt.Sprintf("it starts with byte %#x", b[0]))
	}
	n, size := protowire.ConsumeVarint(b[1:])
	if size < 0 {
		if len(b) > 10 {
			return nil, 0, errFrame("its length is damaged")
		}
		return nil, len(b) + 1, nil
	}
	if n > maxFrame {
		return nil, 0, errFrame(fmt.Sprintf("it has %d bytes, the limit is %d", n, maxFrame))
	}
	head := 1 + size
	need = head + int(n)
	if len(b) < need {
		return nil, need, nil
	}
	return b[head:need:need], need, nil
}

// fill reads more, with room for a frame of need bytes at the front.
func (r *frameReader) fill(need int) error {
	if r.err != nil {
		if r.err == io.EOF && len(r.buf) > 0 {
			return io.ErrUnexpectedEOF
		}
		return r.err
	}
	if cap(r.buf) < need || cap(r.buf)-len(r.buf) < min(need, slabRest) {
		next := make([]byte, len(r.buf), max(need, slabBytes))
		copy(next, r.buf)
		r.buf = next
	}
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	r.err = err
	if n == 0 && err == nil {
		r.err = io.ErrNoProgress
	}
	return nil
}
