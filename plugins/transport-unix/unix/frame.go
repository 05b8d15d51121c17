package unix

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// A frame is
//
//	length(4) kind(1) id(8) payload
//
// big endian; length counts what follows it. The id is that of the call or
// subscription, 0 for the others.
const (
	kindCall        = 1 // epoch(8) timeout(8, ns) op(1+n) body
	kindReply       = 2 // body; answers call and subscribe
	kindFail        = 3 // error; likewise
	kindCancel      = 4 // the caller gave up
	kindPublish     = 5 // to the server: lost(8) epoch(8) topic(2+n) from(2+n) body
	kindEvent       = 6 // to a subscriber: the same
	kindSubscribe   = 7 // prefix
	kindUnsubscribe = 8
	kindGoodbye     = 9  // complete(1): every call that was begun has been answered
	kindLost        = 10 // to a subscriber: lost(8), and no event follows them for now
)

const (
	headerBytes  = 13
	maxOp        = 64
	maxTopic     = 256
	maxFrom      = 256
	maxFrame     = sdk.MaxMessageBytes + 4096
	readBufBytes = 64 << 10
)

type frame struct {
	kind    byte
	id      uint64
	payload []byte
}

func appendHeader(b []byte, kind byte, id uint64, payload int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(headerBytes-4+payload))
	b = append(b, kind)
	return binary.BigEndian.AppendUint64(b, id)
}

func appendFrame(b []byte, kind byte, id uint64, payload []byte) []byte {
	return append(appendHeader(b, kind, id, len(payload)), payload...)
}

func appendCall(b []byte, id uint64, m sdk.Message) []byte {
	b = appendHeader(b, kindCall, id, 17+len(m.Op)+len(m.Body))
	b = binary.BigEndian.AppendUint64(b, m.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Timeout))
	b = append(b, byte(len(m.Op)))
	b = append(b, m.Op...)
	return append(b, m.Body...)
}

// appendEvent appends an event frame whose tail is what encodeEvent gave.
func appendEvent(b []byte, kind byte, id, lost uint64, tail []byte) []byte {
	b = appendHeader(b, kind, id, 8+len(tail))
	b = binary.BigEndian.AppendUint64(b, lost)
	return append(b, tail...)
}

func appendLost(b []byte, id, lost uint64) []byte {
	return binary.BigEndian.AppendUint64(appendHeader(b, kindLost, id, 8), lost)
}

func decodeLost(p []byte) (uint64, error) {
	if len(p) != 8 {
		return 0, errFrame("loss")
	}
	return binary.BigEndian.Uint64(p), nil
}

// encodeEvent returns what all subscribers of e get alike.
func encodeEvent(e sdk.Event) []byte {
	b := make([]byte, 0, 12+len(e.Topic)+len(e.From)+len(e.Body))
	b = binary.BigEndian.AppendUint64(b, e.Epoch)
	b = appendText(b, e.Topic)
	b = appendText(b, e.From)
	return append(b, e.Body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// readFrame reads the next frame. The length is checked before memory is set
// aside. The payload is the caller's.
func readFrame(r *bufio.Reader) (frame, error) {
	head, err := r.Peek(headerBytes)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(head)
	f := frame{kind: head[4], id: binary.BigEndian.Uint64(head[5:])}
	if n < headerBytes-4 || n > maxFrame {
		return frame{}, fmt.Errorf("%w: frame of %d bytes, the limit is %d; the peer does not speak our protocol",
			sdk.ErrInvalid, n, maxFrame)
	}
	if _, err := r.Discard(headerBytes); err != nil {
		return frame{}, err
	}
	if size := int(n) - (headerBytes - 4); size > 0 {
		f.payload = make([]byte, size)
		if _, err := io.ReadFull(r, f.payload); err != nil {
			return frame{}, io.ErrUnexpectedEOF
		}
	}
	return f, nil
}

func errFrame(what string) error {
	return fmt.Errorf("%w: a %s frame is damaged", sdk.ErrInvalid, what)
}

// decodeCall reads a call's payload. The body points into p. name gives the
// string of the operation.
func decodeCall(p []byte, name func([]byte) string) (sdk.Message, error) {
	if len(p) < 17 || len(p) < 17+int(p[16]) || p[16] > maxOp {
		return sdk.Message{}, errFrame("call")
	}
	op := 17 + int(p[16])
	m := sdk.Message{
		Op:      name(p[17:op]),
		Epoch:   binary.BigEndian.Uint64(p),
		Timeout: duration(binary.BigEndian.Uint64(p[8:])),
		Body:    p[op:],
	}
	if len(m.Body) > sdk.MaxMessageBytes {
		return sdk.Message{}, errFrame("call")
	}
	return m, nil
}

func duration(v uint64) time.Duration { return time.Duration(min(v, math.MaxInt64)) }

// decodeEvent reads an event's payload. The body points into p.
func decodeEvent(p []byte) (sdk.Event, error) {
	if len(p) < 16 {
		return sdk.Event{}, errFrame("event")
	}
	e := sdk.Event{Lost: binary.BigEndian.Uint64(p), Epoch: binary.BigEndian.Uint64(p[8:])}
	topic, rest, ok := takeText(p[16:])
	from, body, ok2 := takeText(rest)
	if !ok || !ok2 || len(topic) > maxTopic || len(from) > maxFrom || len(body) > sdk.MaxMessageBytes {
		return sdk.Event{}, errFrame("event")
	}
	e.Topic, e.From, e.Body = topic, from, body
	return e, nil
}

func takeText(p []byte) (string, []byte, bool) {
	if len(p) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(p))
	if len(p) < 2+n {
		return "", nil, false
	}
	return string(p[2 : 2+n]), p[2+n:], true
}

func checkMessage(m sdk.Message) error {
	if len(m.Op) > maxOp {
		return fmt.Errorf("%w: operation name of %d bytes, the limit is %d", sdk.ErrInvalid, len(m.Op), maxOp)
	}
	return checkBody("message", m.Body)
}

func checkEvent(e sdk.Event) error {
	if len(e.Topic) > maxTopic {
		return fmt.Errorf("%w: topic of %d bytes, the limit is %d", sdk.ErrInvalid, len(e.Topic), maxTopic)
	}
	if len(e.From) > maxFrom {
		return fmt.Errorf("%w: publisher name of %d bytes, the limit is %d", sdk.ErrInvalid, len(e.From), maxFrom)
	}
	return checkBody("event", e.Body)
}

func checkBody(what string, body []byte) error {
	if len(body) > sdk.MaxMessageBytes {
		return fmt.Errorf("%w: %s of %d bytes, the limit is %d; send it in parts", sdk.ErrInvalid, what, len(body), sdk.MaxMessageBytes)
	}
	return nil
}
