package wire

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
)

// MaxList is the most elements that a list of structures may have (requests,
// results, statements, changes, columns). An empty element takes 2 bytes on the wire
// and up to 150 in memory, so without a limit a small message could fill it.
const MaxList = 1 << 18

// reader walks the fields of one message. Its first error sticks: callers switch
// over num in a loop and look at err once, at the end.
type reader struct {
	what string // name of the message, for errors
	rest []byte
	num  number
	typ  protowire.Type
	u    uint64 // of a varint or fixed field
	p    []byte // of a length-delimited field; part of the input
	err  error
}

// next reads the next field; false at the end or after an error.
func (r *reader) next() bool {
	if r.err != nil || len(r.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(r.rest)
	if n < 0 {
		return r.refuse("a field's tag is cut short or not valid")
	}
	r.num, r.typ, r.rest = num, typ, r.rest[n:]
	switch typ {
	case protowire.VarintType:
		r.u, n = protowire.ConsumeVarint(r.rest)
	case protowire.BytesType:
		r.p, n = protowire.ConsumeBytes(r.rest)
	case protowire.Fixed64Type:
		r.u, n = protowire.ConsumeFixed64(r.rest)
	default: // only in fields we do not know
		n = protowire.ConsumeFieldValue(num, typ, r.rest)
	}
	if n < 0 {
		return r.refuse("its value is cut short or not valid")
	}
	r.rest = r.rest[n:]
	return true
}

// refuse keeps the first error and returns false.
func (r *reader) refuse(why string) bool {
	if r.err == nil {
		r.err = fmt.Errorf("%w: wire: %s, field %d, %d bytes before its end: %s; the sender is broken or of a version that does not fit",
			sdk.ErrInvalid, r.what, r.num, len(r.rest), why)
	}
	return false
}

// is checks the wire type.
func (r *reader) is(t protowire.Type) bool {
	if r.typ == t {
		return true
	}
	return r.refuse(fmt.Sprintf("wire type %d where %d belongs", r.typ, t))
}

// uint returns an unsigned field.
func (r *reader) uint() uint64 {
	if !r.is(protowire.VarintType) {
		return 0
	}
	return r.u
}

// small returns an unsigned field that must fit into a byte.
func (r *reader) small() uint8 {
	v := r.uint()
	if v > math.MaxUint8 {
		r.refuse("number does not fit into 8 bits")
		return 0
	}
	return uint8(v)
}

// int64 returns a signed field.
func (r *reader) int64() int64 { return protowire.DecodeZigZag(r.uint()) }

// int returns a signed field that must fit into this machine's int.
func (r *reader) int() int {
	v := r.int64()
	if int64(int(v)) != v {
		r.refuse("number does not fit into an int")
		return 0
	}
	return int(v)
}

// duration returns a duration.
func (r *reader) duration() time.Duration { return time.Duration(r.int64()) }

// bool returns a truth value.
func (r *reader) bool() bool { return r.uint() != 0 }

// fixed returns a fixed64 field.
func (r *reader) fixed() uint64 {
	if !r.is(protowire.Fixed64Type) {
		return 0
	}
	return r.u
}

// body returns a length-delimited field, still part of the input.
func (r *reader) body() []byte {
	if !r.is(protowire.BytesType) {
		return nil
	}
	return r.p
}

// text returns a text.
func (r *reader) text() string { return string(r.body()) }

// bytes returns a copy; nil if empty.
func (r *reader) bytes() []byte { return append([]byte(nil), r.body()...) }

// sub decodes a nested message into dst.
func sub[T any](r *reader, dst *T, decode func([]byte) (T, error)) {
	p := r.body()
	if r.err != nil {
		return
	}
	if *dst, r.err = decode(p); r.err != nil {
		var zero T
		*dst = zero
	}
}

// item decodes a nested message and appends it to list.
func item[T any](r *reader, list *[]T, decode func([]byte) (T, error)) {
	if len(*list) >= MaxList {
		r.refuse(fmt.Sprintf("a list of more than %d", MaxList))
		return
	}
	var v T
	if sub(r, &v, decode); r.err == nil {
		*list = append(*list, v)
	}
}

// texts appends a text to list.
func texts[T ~string](r *reader, list *[]T) { *list = append(*list, T(r.body())) }

// finish returns v, or the zero value if reading it failed: nobody should use half
// a message.
func finish[T any](r *reader, v T) (T, error) {
	if r.err != nil {
		var zero T
		return zero, r.err
	}
	return v, nil
}

// decodeList reads a message that is nothing but a list, in field 1.
func decodeList[T any](b []byte, what string, decode func([]byte) (T, error)) ([]T, error) {
	var list []T
	r := reader{what: what, rest: b}
	for r.next() {
		if r.num == 1 {
			item(&r, &list, decode)
		}
	}
	return finish(&r, list)
}
