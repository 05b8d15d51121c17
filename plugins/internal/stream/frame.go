package stream

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// The kinds of frames, each with its payload: the fields, big endian, and then the
// body. A text is its length, one byte for an operation and two for others, and its
// bytes. The id is that of the call or subscription, 0 for the others.
const (
	KindCall        = 1 // epoch(8) timeout(8, ns) op body
	KindReply       = 2 // body; answers call and subscribe
	KindFail        = 3 // error; likewise
	KindCancel      = 4 // the caller gave up
	KindPublish     = 5 // to the server: number(8, 0) lost(8) epoch(8) topic from body
	KindEvent       = 6 // to a subscriber: the same; the number grows with each event of the server
	KindSubscribe   = 7 // after(8) prefix, without a length; after: 0, or the number of the last event seen
	KindUnsubscribe = 8
	KindGoodbye     = 9  // complete(1): every call that was begun has been answered
	KindLost        = 10 // to a subscriber: lost(8), and no event follows them for now
)

// MaxPayload is the largest payload of a frame.
const MaxPayload = sdk.MaxMessageBytes + 4096

const (
	maxOp    = 64
	maxTopic = 256
	maxFrom  = 256
)

// Frame is what travels.
type Frame struct {
	Kind    byte
	ID      uint64
	Payload []byte // the reader's
}

// appendCall appends the fields of a call.
func appendCall(b []byte, m sdk.Message) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Timeout))
	b = append(b, byte(len(m.Op)))
	return append(b, m.Op...)
}

// decodeCall reads a call's payload. The body points into p. name gives the
// string of the operation.
func decodeCall(p []byte, name func([]byte) string) (sdk.Message, error) {
	if len(p) < 17 || len(p) < 17+int(p[16]) || p[16] > maxOp {
		return sdk.Message{}, ErrDamaged("call")
	}
	op := 17 + int(p[16])
	m := sdk.Message{
		Op:      name(p[17:op]),
		Epoch:   binary.BigEndian.Uint64(p),
		Timeout: time.Duration(min(binary.BigEndian.Uint64(p[8:]), math.MaxInt64)),
		Body:    p[op:],
	}
	if len(m.Body) > sdk.MaxMessageBytes {
		return sdk.Message{}, ErrDamaged("call")
	}
	return m, nil
}

// appendEvent appends what the subscribers of an event do not get alike.
func appendEvent(b []byte, number, lost uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, number), lost)
}

// encodeEvent returns what they do get alike: it follows appendEvent's.
func encodeEvent(e sdk.Event) []byte {
	b := make([]byte, 0, 12+len(e.Topic)+len(e.From)+len(e.Body))
	b = binary.BigEndian.AppendUint64(b, e.Epoch)
	b = AppendText(b, e.Topic)
	b = AppendText(b, e.From)
	return append(b, e.Body...)
}

// decodeEvent reads an event's payload. The body points into p.
func decodeEvent(p []byte) (sdk.Event, error) {
	if len(p) < 24 {
		return sdk.Event{}, ErrDamaged("event")
	}
	e := sdk.Event{Lost: binary.BigEndian.Uint64(p[8:]), Epoch: binary.BigEndian.Uint64(p[16:])}
	topic, rest, ok := TakeText(p[24:])
	from, body, ok2 := TakeText(rest)
	if !ok || !ok2 || len(topic) > maxTopic || len(from) > maxFrom || len(body) > sdk.MaxMessageBytes {
		return sdk.Event{}, ErrDamaged("event")
	}
	e.Topic, e.From, e.Body = topic, from, body
	return e, nil
}

func decodeLost(p []byte) (uint64, error) {
	if len(p) != 8 {
		return 0, ErrDamaged("loss")
	}
	return binary.BigEndian.Uint64(p), nil
}

func decodeSubscribe(p []byte) (after uint64, prefix string, err error) {
	if len(p) < 8 || len(p) > 8+maxTopic {
		return 0, "", ErrDamaged("subscribe")
	}
	return binary.BigEndian.Uint64(p), string(p[8:]), nil
}

// AppendText appends s, at most 65535 bytes, with its length.
func AppendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// TakeText reads what AppendText wrote and returns what follows it.
func TakeText(p []byte) (string, []byte, bool) {
	if len(p) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(p))
	if len(p) < 2+n {
		return "", nil, false
	}
	return string(p[2 : 2+n]), p[2+n:], true
}

// ErrDamaged says that a frame or a message of the handshake cannot be read.
func ErrDamaged(what string) error {
	return fmt.Errorf("%w: damaged %s frame; the peer does not speak our protocol", sdk.ErrInvalid, what)
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
