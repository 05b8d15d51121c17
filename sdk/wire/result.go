package wire

import "github.com/ramet-io/ramet/sdk"

// AppendResults appends a list of results, as DB.Apply returns it.
func AppendResults(b []byte, list []sdk.Result) []byte {
	for i := range list {
		var m mark
		b, m = open(b, 1, 0)
		b = shut(appendResult(b, &list[i]), m)
	}
	return b
}

// DecodeResults reads what AppendResults wrote.
func DecodeResults(b []byte) ([]sdk.Result, error) {
	return decodeList(b, "Results", DecodeResult)
}

// AppendResult appends v with its error.
func AppendResult(b []byte, v sdk.Result) []byte { return appendResult(b, &v) }

func appendResult(b []byte, v *sdk.Result) []byte {
	b = appendInt(b, 1, v.RowsAffected)
	b = appendInt(b, 2, v.LastInsertID)
	b = appendList(b, 3, v.Columns, AppendColumn)
	b = appendRows(b, 4, v.Rows)
	b = appendSub(b, 5, v.Position, AppendPosition)
	b = appendBool(b, 6, v.Replayed)
	if v.Err == nil {
		return b
	}
	b, m := open(b, 7, 0)
	return shut(AppendError(b, v.Err), m)
}

// DecodeResult reads what AppendResult wrote.
func DecodeResult(b []byte) (sdk.Result, error) {
	var v sdk.Result
	r := reader{what: "Result", rest: b}
	var rows rowReader
	for r.next() {
		switch r.num {
		case 1:
			v.RowsAffected = r.int64()
		case 2:
			v.LastInsertID = r.int64()
		case 3:
			item(&r, &v.Columns, DecodeColumn)
		case 4:
			rows.row(&r)
		case 5:
			sub(&r, &v.Position, DecodePosition)
		case 6:
			v.Replayed = r.bool()
		case 7:
			v.Err = cause(&r, 0)
		}
	}
	v.Rows = rows.rows
	return finish(&r, v)
}
