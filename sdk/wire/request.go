package wire

import "github.com/ramet-io/ramet/sdk"

// AppendRequests appends a list of requests, as DB.Apply takes it.
func AppendRequests(b []byte, list []sdk.Request) []byte {
	for i := range list {
		var m mark
		b, m = open(b, 1, sizeRequest(&list[i]))
		b = shut(appendRequest(b, &list[i]), m)
	}
	return b
}

// DecodeRequests reads what AppendRequests wrote.
func DecodeRequests(b []byte) ([]sdk.Request, error) {
	return decodeList(b, "Requests", DecodeRequest)
}

// AppendRequest appends r.
func AppendRequest(b []byte, r sdk.Request) []byte { return appendRequest(b, &r) }

func appendRequest(b []byte, r *sdk.Request) []byte {
	b = appendSub(b, 1, r.ID, AppendWriteID)
	b = appendUint(b, 2, r.Floor)
	b = appendText(b, 3, r.Lineage)
	for i := range r.Statements {
		var m mark
		b, m = open(b, 4, sizeStatement(&r.Statements[i]))
		b = shut(appendStatement(b, &r.Statements[i]), m)
	}
	return b
}

// sizeRequest returns about how many bytes appendRequest appends.
func sizeRequest(r *sdk.Request) int {
	n := 20 + len(r.ID.Incarnation) + len(r.Lineage)
	for i := range r.Statements {
		n += 4 + sizeStatement(&r.Statements[i])
	}
	return n
}

// DecodeRequest reads what AppendRequest wrote.
func DecodeRequest(b []byte) (sdk.Request, error) {
	var v sdk.Request
	r := reader{what: "Request", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.ID, DecodeWriteID)
		case 2:
			v.Floor = r.uint()
		case 3:
			v.Lineage = r.text()
		case 4:
			item(&r, &v.Statements, DecodeStatement)
		}
	}
	return finish(&r, v)
}

// AppendStatement appends s.
func AppendStatement(b []byte, s sdk.Statement) []byte { return appendStatement(b, &s) }

func appendStatement(b []byte, s *sdk.Statement) []byte {
	b = appendText(b, 1, s.SQL)
	for i := range s.Args {
		var m mark
		b, m = open(b, 2, sizeNamed(s.Args[i]))
		b = shut(appendNamed(b, s.Args[i]), m)
	}
	return appendBool(b, 3, s.WantRows)
}

// sizeStatement returns about how many bytes appendStatement appends.
func sizeStatement(s *sdk.Statement) int {
	n := 8 + len(s.SQL)
	for i := range s.Args {
		n += 2 + sizeNamed(s.Args[i])
	}
	return n
}

// DecodeStatement reads what AppendStatement wrote.
func DecodeStatement(b []byte) (sdk.Statement, error) {
	var v sdk.Statement
	r := reader{what: "Statement", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.SQL = r.text()
		case 2:
			item(&r, &v.Args, decodeNamed)
		case 3:
			v.WantRows = r.bool()
		}
	}
	return finish(&r, v)
}

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
