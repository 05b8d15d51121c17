package wire

import "github.com/ramet-io/ramet/sdk"

// AppendQuery appends q.
func AppendQuery(b []byte, q sdk.Query) []byte {
	b, m := open(b, 1, sizeStatement(&q.Statement))
	b = shut(appendStatement(b, &q.Statement), m)
	b = appendUint(b, 2, q.Level)
	return appendUint(b, 3, q.Epoch)
}

// DecodeQuery reads what AppendQuery wrote.
func DecodeQuery(b []byte) (sdk.Query, error) {
	var v sdk.Query
	r := reader{what: "Query", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.Statement, DecodeStatement)
		case 2:
			v.Level = sdk.ReadLevel(r.small())
		case 3:
			v.Epoch = r.uint()
		}
	}
	return finish(&r, v)
}

// AppendPrepared appends p.
func AppendPrepared(b []byte, p sdk.Prepared) []byte {
	b = appendUint(b, 1, p.Kind)
	b = appendInt(b, 2, p.Statements)
	b = appendInt(b, 3, p.Params)
	b = appendBool(b, 4, p.Returns)
	return appendText(b, 5, p.Reason)
}

// DecodePrepared reads what AppendPrepared wrote.
func DecodePrepared(b []byte) (sdk.Prepared, error) {
	var v sdk.Prepared
	r := reader{what: "Prepared", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Kind = sdk.Kind(r.small())
		case 2:
			v.Statements = r.int()
		case 3:
			v.Params = r.int()
		case 4:
			v.Returns = r.bool()
		case 5:
			v.Reason = r.text()
		}
	}
	return finish(&r, v)
}

// AppendTxOptions appends o.
func AppendTxOptions(b []byte, o sdk.TxOptions) []byte {
	b = appendBool(b, 1, o.ReadOnly)
	b = appendDuration(b, 2, o.Idle)
	b = appendDuration(b, 3, o.Total)
	return appendList(b, 4, o.Settings, appendSetting)
}

func appendSetting(b []byte, s sdk.Setting) []byte {
	b = appendText(b, 1, s.Name)
	return appendBool(b, 2, s.On)
}

func decodeSetting(b []byte) (sdk.Setting, error) {
	var v sdk.Setting
	r := reader{what: "Setting", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.On = r.bool()
		}
	}
	return finish(&r, v)
}

// DecodeTxOptions reads what AppendTxOptions wrote.
func DecodeTxOptions(b []byte) (sdk.TxOptions, error) {
	var v sdk.TxOptions
	r := reader{what: "TxOptions", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.ReadOnly = r.bool()
		case 2:
			v.Idle = r.duration()
		case 3:
			v.Total = r.duration()
		case 4:
			item(&r, &v.Settings, decodeSetting)
		}
	}
	return finish(&r, v)
}
