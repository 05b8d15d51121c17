package wire

import (
	"database/sql/driver"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func BenchmarkRequest(b *testing.B) {
	list := []sdk.Request{{ID: sdk.WriteID{Incarnation: "0123456789abcdef0123456789abcdef", Sequence: 7}, Floor: 6,
		Statements: []sdk.Statement{{SQL: "INSERT INTO messages(id, session, body) VALUES (?, ?, ?)", Args: []driver.NamedValue{
			{Ordinal: 1, Value: int64(1 << 40)}, {Ordinal: 2, Value: "session"}, {Ordinal: 3, Value: make([]byte, 200)}}}}}}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRequests(buf[:0], list)
		if _, err := DecodeRequests(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlock64K(b *testing.B) {
	var block sdk.Block
	for i := range 1000 {
		block.Rows = append(block.Rows, []driver.Value{int64(i), "some text of a row, as it is in many tables", 1.5, nil})
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBlock(buf[:0], block)
		if _, err := DecodeBlock(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}
