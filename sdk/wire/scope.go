package wire

import "github.com/ramet-io/ramet/sdk"

// AppendScope appends s with its secret: for the process boundary. Leave the
// secret out of what goes to a peer.
func AppendScope(b []byte, s sdk.Scope) []byte {
	b = appendText(b, 1, s.Workspace)
	b = appendUint(b, 2, s.Epoch)
	b = appendText(b, 3, s.Instance)
	b = appendText(b, 4, s.Incarnation)
	b = appendInt(b, 5, s.PID)
	b = appendText(b, 6, s.Role)
	b = appendText(b, 7, s.Secret)
	return appendText(b, 8, s.Fingerprint)
}

// DecodeScope reads what AppendScope wrote.
func DecodeScope(b []byte) (sdk.Scope, error) {
	var v sdk.Scope
	r := reader{what: "Scope", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Workspace = r.text()
		case 2:
			v.Epoch = r.uint()
		case 3:
			v.Instance = r.text()
		case 4:
			v.Incarnation = r.text()
		case 5:
			v.PID = r.int()
		case 6:
			v.Role = sdk.Role(r.text())
		case 7:
			v.Secret = r.bytes()
		case 8:
			v.Fingerprint = r.text()
		}
	}
	return finish(&r, v)
}

// AppendPeer appends p.
func AppendPeer(b []byte, p sdk.Peer) []byte {
	b = appendText(b, 1, p.Session)
	b = appendSub(b, 2, p.Scope, AppendScope)
	b = appendInt(b, 3, p.UID)
	return appendInt(b, 4, p.PID)
}

// DecodePeer reads what AppendPeer wrote.
func DecodePeer(b []byte) (sdk.Peer, error) {
	var v sdk.Peer
	r := reader{what: "Peer", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Session = r.text()
		case 2:
			sub(&r, &v.Scope, DecodeScope)
		case 3:
			v.UID = r.int()
		case 4:
			v.PID = r.int()
		}
	}
	return finish(&r, v)
}

// AppendMessage appends m.
func AppendMessage(b []byte, m sdk.Message) []byte {
	b = appendText(b, 1, m.Op)
	b = appendUint(b, 2, m.Epoch)
	b = appendDuration(b, 3, m.Timeout)
	return appendText(b, 4, m.Body)
}

// DecodeMessage reads what AppendMessage wrote. The body is a copy.
func DecodeMessage(b []byte) (sdk.Message, error) {
	var v sdk.Message
	r := reader{what: "Message", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Op = r.text()
		case 2:
			v.Epoch = r.uint()
		case 3:
			v.Timeout = r.duration()
		case 4:
			v.Body = r.bytes()
		}
	}
	return finish(&r, v)
}

// AppendEvent appends e.
func AppendEvent(b []byte, e sdk.Event) []byte {
	b = appendText(b, 1, e.Topic)
	b = appendUint(b, 2, e.Epoch)
	b = appendText(b, 3, e.From)
	b = appendText(b, 4, e.Body)
	b = appendUint(b, 5, e.Lost)
	return appendBool(b, 6, e.Notice)
}

// DecodeEvent reads what AppendEvent wrote. The body is a copy.
func DecodeEvent(b []byte) (sdk.Event, error) {
	var v sdk.Event
	r := reader{what: "Event", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Topic = r.text()
		case 2:
			v.Epoch = r.uint()
		case 3:
			v.From = r.text()
		case 4:
			v.Body = r.bytes()
		case 5:
			v.Lost = r.uint()
		case 6:
			v.Notice = r.bool()
		}
	}
	return finish(&r, v)
}
