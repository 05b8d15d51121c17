package wire

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// number is a field number.
type number = protowire.Number

// appendUint appends an unsigned field; zero is left out, as proto3 does.
func appendUint[T ~uint8 | ~uint32 | ~uint64](b []byte, num number, v T) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v))
}

// appendInt appends a signed field (sint64: small negative numbers stay short).
func appendInt[T ~int | ~int64](b []byte, num number, v T) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(int64(v)))
}

// appendDuration appends a duration in nanoseconds.
func appendDuration(b []byte, num number, v time.Duration) []byte {
	return appendInt(b, num, int64(v))
}

// appendBool appends a field that is true.
func appendBool(b []byte, num number, v bool) []byte {
	if !v {
		return b
	}
	return append(protowire.AppendTag(b, num, protowire.VarintType), 1)
}

// appendText appends a text or bytes that are not empty.
func appendText[T ~string | ~[]byte](b []byte, num number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return appendItem(b, num, v)
}

// appendItem appends a text or bytes, also empty ones: an element of a list, or one
// whose presence says something.
func appendItem[T ~string | ~[]byte](b []byte, num number, v T) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// appendTexts appends a list of texts.
func appendTexts[T ~string](b []byte, num number, list []T) []byte {
	for _, v := range list {
		b = appendItem(b, num, v)
	}
	return b
}

// appendSub appends a nested message, unless it is empty.
func appendSub[T any](b []byte, num number, v T, app func([]byte, T) []byte) []byte {
	start := len(b)
	b, m := open(b, num, 0)
	b = app(b, v)
	if len(b) == m.body {
		return b[:start]
	}
	return shut(b, m)
}

// appendList appends a nested message for each element.
func appendList[T any](b []byte, num number, list []T, app func([]byte, T) []byte) []byte {
	for _, v := range list {
		var m mark
		b, m = open(b, num, 0)
		b = shut(app(b, v), m)
	}
	return b
}

// mark remembers where the body of a nested message starts and how many bytes
// before it wait for the length.
type mark struct{ body, width int }

// open starts nested message num. hint is its expected length: the closer from
// above, the better; room for the length is kept accordingly.
func open(b []byte, num number, hint int) ([]byte, mark) {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	width := protowire.SizeVarint(uint64(max(hint, 0)))
	b = append(b, room[:width]...)
	return b, mark{body: len(b), width: width}
}

// room is the longest a varint gets.
var room [10]byte

// shut writes the length of the message that open started. The body moves only
// if hint was too small. A hint that was too large leaves a varint with leading
// zeros, which every protobuf reader takes.
func shut(b []byte, m mark) []byte {
	n := len(b) - m.body
	if need := protowire.SizeVarint(uint64(n)); need > m.width {
		more := need - m.width
		b = append(b, room[:more]...)
		copy(b[m.body+more:], b[m.body:m.body+n])
		m.body, m.width = m.body+more, need
	}
	at := m.body - m.width
	for i := range m.width - 1 {
		b[at+i] = byte(n) | 0x80
		n >>= 7
	}
	b[m.body-1] = byte(n)
	return b
}
