package wire

import "github.com/ramet-io/ramet/sdk"

// AppendRecord appends r.
func AppendRecord(b []byte, r sdk.Record) []byte {
	b = appendText(b, 1, r.Instance)
	b = appendText(b, 2, r.Incarnation)
	b = appendInt(b, 3, r.PID)
	b = appendUint(b, 4, r.StartTime)
	b = appendText(b, 5, r.Program)
	b = appendText(b, 6, r.Version)
	b = appendUint(b, 7, r.Epoch)
	b = appendText(b, 8, r.Lineage)
	b = appendText(b, 9, r.Workspace)
	b = appendTexts(b, 10, r.Endpoints)
	b = appendInt(b, 11, r.SinceUnix)
	b = appendBool(b, 12, r.Takeover)
	return appendBool(b, 13, r.Left)
}

// DecodeRecord reads what AppendRecord wrote.
func DecodeRecord(b []byte) (sdk.Record, error) {
	var v sdk.Record
	r := reader{what: "Record", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Instance = r.text()
		case 2:
			v.Incarnation = r.text()
		case 3:
			v.PID = r.int()
		case 4:
			v.StartTime = r.uint()
		case 5:
			v.Program = r.text()
		case 6:
			v.Version = r.text()
		case 7:
			v.Epoch = r.uint()
		case 8:
			v.Lineage = r.text()
		case 9:
			v.Workspace = r.text()
		case 10:
			texts(&r, &v.Endpoints)
		case 11:
			v.SinceUnix = r.int64()
		case 12:
			v.Takeover = r.bool()
		case 13:
			v.Left = r.bool()
		}
	}
	return finish(&r, v)
}
