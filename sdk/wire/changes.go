package wire

import "github.com/ramet-io/ramet/sdk"

// AppendPosition appends p.
func AppendPosition(b []byte, p sdk.Position) []byte {
	b = appendText(b, 1, p.Lineage)
	return appendUint(b, 2, p.Row)
}

// DecodePosition reads what AppendPosition wrote.
func DecodePosition(b []byte) (sdk.Position, error) {
	var v sdk.Position
	r := reader{what: "Position", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Lineage = r.text()
		case 2:
			v.Row = r.uint()
		}
	}
	return finish(&r, v)
}

// AppendChanges appends a list of changes, as Feed.Next returns it.
func AppendChanges(b []byte, list []sdk.Change) []byte {
	return appendList(b, 1, list, AppendChange)
}

// DecodeChanges reads what AppendChanges wrote.
func DecodeChanges(b []byte) ([]sdk.Change, error) {
	return decodeList(b, "Changes", DecodeChange)
}

// AppendChange appends c.
func AppendChange(b []byte, c sdk.Change) []byte {
	b = appendSub(b, 1, c.Position, AppendPosition)
	b = appendUint(b, 2, c.Epoch)
	b = appendText(b, 3, c.Table)
	b = appendText(b, 4, c.Op)
	b = appendInt(b, 5, c.RowID)
	return appendBool(b, 6, c.NoRowID)
}

// DecodeChange reads what AppendChange wrote.
func DecodeChange(b []byte) (sdk.Change, error) {
	var v sdk.Change
	r := reader{what: "Change", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.Position, DecodePosition)
		case 2:
			v.Epoch = r.uint()
		case 3:
			v.Table = r.text()
		case 4:
			v.Op = sdk.ChangeOp(r.text())
		case 5:
			v.RowID = r.int64()
		case 6:
			v.NoRowID = r.bool()
		}
	}
	return finish(&r, v)
}
