package wire

import (
	"database/sql/driver"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendValue appends v. A value of a type that is none of [driver.Value]'s cannot
// be sent: the receiver's DecodeValue then returns sdk.ErrInvalid that names the
// type.
func AppendValue(b []byte, v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return b
	case int64:
		b = protowire.AppendTag(b, 1, protowire.VarintType)
		return protowire.AppendVarint(b, protowire.EncodeZigZag(v))
	case float64:
		b = protowire.AppendTag(b, 2, protowire.Fixed64Type)
		return protowire.AppendFixed64(b, math.Float64bits(v))
	case bool:
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		return protowire.AppendVarint(b, protowire.EncodeBool(v))
	case []byte:
		if v == nil {
			return appendBool(b, 7, true)
		}
		return appendItem(b, 4, v)
	case string:
		return appendItem(b, 5, v)
	case time.Time:
		b, m := open(b, 6, 0)
		return shut(appendTime(b, v), m)
	}
	return appendText(b, 8, fmt.Sprintf("%T", v))
}

// sizeValue returns how many bytes AppendValue appends; for types other than time
// exactly, so that the length in front of a value is written once.
func sizeValue(v driver.Value) int {
	switch v := v.(type) {
	case nil:
		return 0
	case int64:
		return 1 + protowire.SizeVarint(protowire.EncodeZigZag(v))
	case float64:
		return 9
	case bool:
		return 2
	case []byte:
		return 1 + protowire.SizeBytes(len(v))
	case string:
		return 1 + protowire.SizeBytes(len(v))
	}
	return 32
}

// DecodeValue reads what AppendValue wrote. Bytes are a copy.
func DecodeValue(b []byte) (driver.Value, error) {
	var v driver.Value
	r := reader{what: "Value", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v = r.int64()
		case 2:
			v = math.Float64frombits(r.fixed())
		case 3:
			v = r.bool()
		case 4:
			v = append([]byte{}, r.body()...)
		case 5:
			v = r.text()
		case 6:
			var t time.Time
			sub(&r, &t, decodeTime)
			v = t
		case 7:
			v = []byte(nil)
		case 8:
			r.refuse(fmt.Sprintf("the sender had a value of Go type %.64q, which is none of driver.Value's; convert it first", r.body()))
		}
	}
	return finish(&r, v)
}

// maxZone is the largest offset of a zone that is taken, in seconds. Real ones are
// below a day; far larger ones make package time overflow.
const maxZone = 7 * 24 * 3600

// appendTime appends t: the moment, and the offset and name of its zone unless
// it is UTC. What a monotonic clock said is left out: it means nothing elsewhere.
func appendTime(b []byte, t time.Time) []byte {
	b = appendInt(b, 1, t.Unix())
	b = appendUint(b, 2, uint32(t.Nanosecond()))
	if t.Location() == time.UTC {
		return b
	}
	name, offset := t.Zone()
	b = appendBool(b, 3, true)
	b = appendInt(b, 4, offset)
	return appendText(b, 5, name)
}

func decodeTime(b []byte) (time.Time, error) {
	var (
		unix   int64
		nanos  uint64
		zoned  bool
		offset int64
		name   string
	)
	r := reader{what: "Time", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			unix = r.int64()
		case 2:
			if nanos = r.uint(); nanos > 999_999_999 {
				r.refuse("more nanoseconds than a second has")
			}
		case 3:
			zoned = r.bool()
		case 4:
			if offset = r.int64(); offset < -maxZone || offset > maxZone {
				r.refuse("the offset of the zone is more than a week")
			}
		case 5:
			name = r.text()
		}
	}
	if r.err != nil {
		return time.Time{}, r.err
	}
	if zoned {
		return time.Unix(unix, int64(nanos)).In(time.FixedZone(name, int(offset))), nil
	}
	return time.Unix(unix, int64(nanos)).UTC(), nil
}

// appendNamed appends an argument.
func appendNamed(b []byte, a driver.NamedValue) []byte {
	b = appendText(b, 1, a.Name)
	b = appendInt(b, 2, a.Ordinal)
	if a.Value == nil {
		return b
	}
	b, m := open(b, 3, sizeValue(a.Value))
	return shut(AppendValue(b, a.Value), m)
}

// sizeNamed returns about how many bytes appendNamed appends, never less than the
// value takes.
func sizeNamed(a driver.NamedValue) int {
	n := sizeValue(a.Value)
	return 8 + len(a.Name) + protowire.SizeVarint(uint64(n)) + n
}

func decodeNamed(b []byte) (driver.NamedValue, error) {
	var v driver.NamedValue
	r := reader{what: "Argument", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.Ordinal = r.int()
		case 3:
			sub(&r, &v.Value, DecodeValue)
		}
	}
	return finish(&r, v)
}
