package remote

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// What frame.proto has besides the values of package wire: arguments and results
// that are more than one value.

// target is where to serve or whom to dial.
type target struct {
	scope sdk.Scope
	at    []sdk.Endpoint
}

func appendTarget(b []byte, t target) []byte {
	b = appendMessage(b, 1, t.scope, wire.AppendScope)
	return appendMessage(b, 2, t.at, wire.AppendEndpoints)
}

func decodeTarget(b []byte) (t target, err error) {
	err = eachMessage("Target", b, func(num protowire.Number, p []byte) (err error) {
		switch num {
		case 1:
			t.scope, err = wire.DecodeScope(p)
		case 2:
			t.at, err = wire.DecodeEndpoints(p)
		}
		return err
	})
	return t, err
}

// delivery is what a server's peer sent: an event, or a message.
type delivery struct {
	from    sdk.Peer
	message sdk.Message
	event   *sdk.Event
}

func appendDelivery(b []byte, d delivery) []byte {
	b = appendMessage(b, 1, d.from, wire.AppendPeer)
	if d.event != nil {
		return appendMessage(b, 3, *d.event, wire.AppendEvent)
	}
	return appendMessage(b, 2, d.message, wire.AppendMessage)
}

// splitDelivery returns the parts, still encoded: who sent it is the same many times
// over, see peerCache.
func splitDelivery(b []byte) (from, message, event []byte, err error) {
	err = eachMessage("Delivery", b, func(num protowire.Number, p []byte) error {
		switch num {
		case 1:
			from = p
		case 2:
			message = p
		case 3:
			event = p
		}
		return nil
	})
	return from, message, event, err
}

// opened is a query's columns with its first block.
type opened struct {
	columns []sdk.Column
	first   sdk.Block
	err     error // of reading the first block
}

func appendOpened(b []byte, o opened) []byte {
	b = appendMessage(b, 1, o.columns, wire.AppendColumns)
	if o.err != nil {
		return appendMessage(b, 3, o.err, wire.AppendError)
	}
	return appendMessage(b, 2, o.first, wire.AppendBlock)
}

func decodeOpened(b []byte) (o opened, err error) {
	err = eachMessage("Opened", b, func(num protowire.Number, p []byte) (err error) {
		switch num {
		case 1:
			o.columns, err = wire.DecodeColumns(p)
		case 2:
			o.first, err = wire.DecodeBlock(p)
		case 3:
			o.err, err = wire.DecodeError(p)
		}
		return err
	})
	return o, err
}

func appendVersion(b []byte, v int64) []byte {
	return appendField(b, 1, protowire.EncodeZigZag(v))
}

func decodeVersion(b []byte) (int64, error) {
	if len(b) == 0 {
		return 0, nil
	}
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num != 1 || typ != protowire.VarintType {
		return 0, errMessage("SchemaVersion")
	}
	v, n := protowire.ConsumeVarint(b[n:])
	if n < 0 {
		return 0, errMessage("SchemaVersion")
	}
	return protowire.DecodeZigZag(v), nil
}

// appendMessage appends a nested message.
func appendMessage[T any](b []byte, num protowire.Number, v T, app func([]byte, T) []byte) []byte {
	b = append(b, byte(num)<<3|byte(protowire.BytesType), 0, 0, 0, 0)
	at := len(b)
	b = app(b, v)
	putLength(b[at-lengthBytes:], len(b)-at)
	return b
}

// eachMessage calls f with each nested message of b. Other fields are skipped.
func eachMessage(what string, b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMessage(what)
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return errMessage(what)
			}
			b = b[n:]
			continue
		}
		p, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errMessage(what)
		}
		b = b[n:]
		if err := f(num, p); err != nil {
			return err
		}
	}
	return nil
}

func errMessage(what string) error {
	return fmt.Errorf("%w: a %s cannot be read: the other side is broken or of a version that does not fit", sdk.ErrInvalid, what)
}

func appendText(b []byte, s string) []byte { return append(b, s...) }
