package forward

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// The operations between a Client and a Writer. Bodies are sdk/wire encodings of
// the values named here; txCall, rowsReply and outcomeReply are below.
const (
	opApply     = "write.apply"   // Request -> Result
	opOutcome   = "write.outcome" // WriteID -> outcomeReply
	opBegin     = "tx.begin"      // txCall(TxOptions) -> nothing
	opExec      = "tx.exec"       // txCall(Statement) -> Result
	opQuery     = "tx.query"      // txCall(Statement) -> rowsReply
	opNext      = "tx.next"       // txCall -> Block
	opCloseRows = "tx.closerows"  // txCall -> nothing
	opCommit    = "tx.commit"     // txCall(Request) -> Result
	opRollback  = "tx.rollback"   // txCall -> nothing
)

// maxBody leaves room for the frame around a body.
const maxBody = sdk.MaxMessageBytes - 4096

// txCall names a transaction of the caller's session. The client draws the number, so
// that it can also roll back one whose begin was never answered.
type txCall struct {
	tx   uint64 // 1
	rows uint64 // 2; opNext, opCloseRows
	body []byte // 3
}

func (c txCall) append(b []byte) []byte {
	b = appendUint(b, 1, c.tx)
	b = appendUint(b, 2, c.rows)
	return appendBytes(b, 3, c.body)
}

func decodeTxCall(b []byte) (c txCall, err error) {
	err = fields(b, func(f field) {
		switch f.number {
		case 1:
			c.tx = f.uint
		case 2:
			c.rows = f.uint
		case 3:
			c.body = f.bytes
		}
	})
	return c, err
}

// rowsReply is a result with its first block.
type rowsReply struct {
	rows    uint64       // 1; 0: the block is the last
	columns []sdk.Column // 2
	block   sdk.Block    // 3
}

func (r rowsReply) append(b []byte) []byte {
	b = appendUint(b, 1, r.rows)
	b = appendBytes(b, 2, wire.AppendColumns(nil, r.columns))
	return appendBytes(b, 3, wire.AppendBlock(nil, r.block))
}

func decodeRowsReply(b []byte) (r rowsReply, err error) {
	var columns, block []byte
	err = fields(b, func(f field) {
		switch f.number {
		case 1:
			r.rows = f.uint
		case 2:
			columns = f.bytes
		case 3:
			block = f.bytes
		}
	})
	if err != nil {
		return r, err
	}
	if r.columns, err = wire.DecodeColumns(columns); err != nil {
		return r, err
	}
	r.block, err = wire.DecodeBlock(block)
	return r, err
}

// outcomeReply keeps "not applied" apart from an error of asking.
type outcomeReply struct {
	applied bool       // 1
	result  sdk.Result // 2; its Err may be ErrResultGone
}

func (r outcomeReply) append(b []byte) []byte {
	b = appendUint(b, 1, protowire.EncodeBool(r.applied))
	return appendBytes(b, 2, wire.AppendResult(nil, r.result))
}

func decodeOutcomeReply(b []byte) (r outcomeReply, err error) {
	var result []byte
	err = fields(b, func(f field) {
		switch f.number {
		case 1:
			r.applied = protowire.DecodeBool(f.uint)
		case 2:
			result = f.bytes
		}
	})
	if err == nil {
		r.result, err = wire.DecodeResult(result)
	}
	return r, err
}

func appendUint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// field is one decoded field; bytes points into the message.
type field struct {
	number protowire.Number
	uint   uint64
	bytes  []byte
}

// fields calls f for each varint and bytes field and skips the others.
func fields(b []byte, f func(field)) error {
	for at := 0; at < len(b); {
		number, typ, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return fmt.Errorf("%w: forwarded call, byte %d: %v", sdk.ErrInvalid, at, protowire.ParseError(n))
		}
		at += n
		v := field{number: number}
		switch typ {
		case protowire.VarintType:
			v.uint, n = protowire.ConsumeVarint(b[at:])
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b[at:])
		default:
			n = protowire.ConsumeFieldValue(number, typ, b[at:])
		}
		if n < 0 {
			return fmt.Errorf("%w: forwarded call, field %d at byte %d: %v", sdk.ErrInvalid, number, at, protowire.ParseError(n))
		}
		at += n
		f(v)
	}
	return nil
}
