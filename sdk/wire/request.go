package wire

import "github.com/ramet-io/ramet/sdk"

// AppendWriteID appends id.
func AppendWriteID(b []byte, id sdk.WriteID) []byte {
	b = appendText(b, 1, id.Incarnation)
	return appendUint(b, 2, id.Sequence)
}

// DecodeWriteID reads what AppendWriteID wrote.
func DecodeWriteID(b []byte) (sdk.WriteID, error) {
	var v sdk.WriteID
	r := reader{what: "WriteID", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Incarnation = r.text()
		case 2:
			v.Sequence = r.uint()
		}
	}
	return finish(&r, v)
}
