package wire

import (
	"database/sql/driver"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
)

// AppendBlock appends rows as they are read.
func AppendBlock(b []byte, v sdk.Block) []byte {
	b = appendRows(b, 1, v.Rows)
	return appendBool(b, 2, v.Last)
}

// DecodeBlock reads what AppendBlock wrote.
func DecodeBlock(b []byte) (sdk.Block, error) {
	var v sdk.Block
	r := reader{what: "Block", rest: b}
	var rows rowReader
	for r.next() {
		switch r.num {
		case 1:
			rows.row(&r)
		case 2:
			v.Last = r.bool()
		}
	}
	v.Rows = rows.rows
	return finish(&r, v)
}

// appendRows appends each row as a message that holds its values.
func appendRows(b []byte, num number, rows [][]driver.Value) []byte {
	for _, row := range rows {
		size := 0
		for _, v := range row {
			size += 1 + protowire.SizeBytes(sizeValue(v))
		}
		var m mark
		b, m = open(b, num, size)
		for _, v := range row {
			var in mark
			b, in = open(b, 1, sizeValue(v))
			b = shut(AppendValue(b, v), in)
		}
		b = shut(b, m)
	}
	return b
}

// rowReader collects rows. The values of many rows share one slice, which saves an
// allocation for each row.
type rowReader struct {
	rows [][]driver.Value
	slab []driver.Value // free part of the shared slice
}

// slabValues is how many values are allocated at once, unless the input that is
// left could not hold so many.
const slabValues = 512

// row decodes the row that r is at.
func (l *rowReader) row(r *reader) {
	in := reader{what: "Row", rest: r.body()}
	width := 1
	if len(l.rows) > 0 { // all rows of a result are as wide as the first
		width = len(l.rows[0])
	}
	// A value takes at least 2 bytes, so a row that lies cannot make us allocate more.
	width = min(width, len(in.rest)/2)
	if len(l.slab) < width {
		l.slab = make([]driver.Value, min(max(slabValues, width), max(width, (len(in.rest)+len(r.rest))/2)))
	}
	row := l.slab[:0:width]
	for in.next() {
		if in.num == 1 {
			var v driver.Value
			sub(&in, &v, DecodeValue)
			row = append(row, v)
		}
	}
	if len(row) > 0 && cap(row) == width { // else append moved it to a slice of its own
		l.slab = l.slab[len(row):]
	}
	if r.err == nil {
		r.err = in.err
	}
	if len(row) == 0 {
		row = nil
	}
	l.rows = append(l.rows, row[:len(row):len(row)])
}

// AppendColumns appends a list of columns.
func AppendColumns(b []byte, list []sdk.Column) []byte {
	return appendList(b, 1, list, AppendColumn)
}

// DecodeColumns reads what AppendColumns wrote.
func DecodeColumns(b []byte) ([]sdk.Column, error) {
	return decodeList(b, "Columns", DecodeColumn)
}

// AppendColumn appends c.
func AppendColumn(b []byte, c sdk.Column) []byte {
	b = appendText(b, 1, c.Name)
	return appendText(b, 2, c.DeclType)
}

// DecodeColumn reads what AppendColumn wrote.
func DecodeColumn(b []byte) (sdk.Column, error) {
	var v sdk.Column
	r := reader{what: "Column", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.DeclType = r.text()
		}
	}
	return finish(&r, v)
}
