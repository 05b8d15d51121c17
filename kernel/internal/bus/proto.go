package bus

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

func appendUint(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// fields calls f for each field of a message; unknown ones are f's to skip.
func fields(b []byte, f func(n int, v uint64, p []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: bus message: %w", sdk.ErrInvalid, protowire.ParseError(n))
		}
		b = b[n:]
		var v uint64
		var p []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			p, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return fmt.Errorf("%w: bus message: %w", sdk.ErrInvalid, protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(int(num), v, p); err != nil {
			return err
		}
	}
	return nil
}

func appendJob(b []byte, j job) []byte {
	b = appendUint(b, 1, j.id)
	b = appendBytes(b, 2, []byte(j.method))
	b = appendBytes(b, 3, j.body)
	b = appendUint(b, 4, uint64(j.budget))
	if j.cancel {
		b = appendUint(b, 5, 1)
	}
	return b
}

func decodeJob(b []byte) (j job, err error) {
	err = fields(b, func(n int, v uint64, p []byte) error {
		switch n {
		case 1:
			j.id = v
		case 2:
			j.method = string(p)
		case 3:
			j.body = p
		case 4:
			j.budget = time.Duration(v)
		case 5:
			j.cancel = v != 0
		}
		return nil
	})
	return j, err
}

func appendMethods(b []byte, methods []string) []byte {
	for _, m := range methods {
		b = appendBytes(b, 1, []byte(m))
	}
	return b
}

func decodeMethods(b []byte) (methods []string, err error) {
	err = fields(b, func(n int, _ uint64, p []byte) error {
		if n == 1 {
			methods = append(methods, string(p))
		}
		return nil
	})
	return methods, err
}

func appendEvent(b []byte, e sdk.Event) []byte { return wire.AppendEvent(b, e) }

func decodeEvent(b []byte) (sdk.Event, error) { return wire.DecodeEvent(b) }
