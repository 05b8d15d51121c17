package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// maxKept is the largest result stored with a write id. A replay of a larger one
// gives ErrResultGone.
const maxKept = 64 << 10

// The first byte of a stored result.
const (
	resultWhole = 1
	resultGone  = 2 // applied, but it was too large
)

// encodeResult writes a result for ramet_writes: varints, then columns and rows.
func encodeResult(r sdk.Result) []byte {
	b := make([]byte, 0, 16)
	b = append(b, resultWhole)
	b = binary.AppendVarint(b, r.RowsAffected)
	b = binary.AppendVarint(b, r.LastInsertID)
	b = binary.AppendUvarint(b, r.Position.Row)
	b = binary.AppendUvarint(b, uint64(len(r.Columns)))
	for _, c := range r.Columns {
		b = appendText(appendText(b, c.Name), c.DeclType)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Rows)))
	for _, row := range r.Rows {
		for _, v := range row {
			b = appendValue(b, v)
		}
		if len(b) > maxKept {
			return []byte{resultGone}
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v driver.Value) []byte {
	switch x := v.(type) {
	case int64:
		return binary.AppendVarint(append(b, 'i'), x)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(x))
	case string:
		return appendText(append(b, 't'), x)
	case []byte:
		return appendText(append(b, 'b'), string(x))
	case bool:
		if x {
			return append(b, 'y')
		}
		return append(b, 'n')
	case time.Time:
		if t, err := x.MarshalBinary(); err == nil {
			return appendText(append(b, 'd'), string(t))
		}
		return appendText(append(b, 't'), x.String()) // a zone with seconds has no binary form
	}
	return append(b, '0')
}

// decodeResult reads what encodeResult wrote.
func decodeResult(v driver.Value, lineage string, id sdk.WriteID) sdk.Result {
	b, _ := v.([]byte)
	if len(b) == 0 || b[0] != resultWhole {
		return sdk.Result{Err: gone(id), Replayed: true}
	}
	p := parser{b: b[1:]}
	r := sdk.Result{RowsAffected: p.varint(), LastInsertID: p.varint(), Replayed: true}
	if row := p.uvarint(); row != 0 {
		r.Position = sdk.Position{Lineage: lineage, Row: row}
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		r.Columns = append(r.Columns, sdk.Column{Name: string(p.bytes()), DeclType: string(p.bytes())})
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		row := make([]driver.Value, len(r.Columns))
		for i := range row {
			row[i] = p.value()
		}
		r.Rows = append(r.Rows, row)
	}
	if p.bad {
		return sdk.Result{Replayed: true, Err: fmt.Errorf("%w: its stored result cannot be read", gone(id))}
	}
	return r
}

// parser reads from a buffer; after a fault it is bad and reads zeros.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) take(n int) []byte {
	if p.bad || n < 0 || n > len(p.b) {
		p.bad = true
		return nil
	}
	taken := p.b[:n]
	p.b = p.b[n:]
	return taken
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.take(n)
	return v
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.take(n)
	return v
}

func (p *parser) bytes() []byte {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.bad = true
		return nil
	}
	return p.take(int(n))
}

func (p *parser) value() driver.Value {
	kind := p.take(1)
	if p.bad {
		return nil
	}
	switch kind[0] {
	case 'i':
		return p.varint()
	case 'f':
		if b := p.take(8); b != nil {
			return math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case 't':
		return string(p.bytes())
	case 'b':
		return append([]byte{}, p.bytes()...)
	case 'y', 'n':
		return kind[0] == 'y'
	case 'd':
		var t time.Time
		p.bad = t.UnmarshalBinary(p.bytes()) != nil || p.bad
		return t
	case '0':
	default:
		p.bad = true
	}
	return nil
}
