package stream

import (
	"reflect"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// FuzzPayloads feeds the readers of everything that a proved peer can send.
func FuzzPayloads(f *testing.F) {
	f.Add(append(appendCall(nil, sdk.Message{Op: "op", Epoch: 2, Timeout: 3}), "body"...))
	f.Add(append(appendEvent(nil, 7, 1), encodeEvent(sdk.Event{Topic: "t", From: "f", Body: []byte("b")})...))
	f.Add(AppendScope(nil, sdk.Scope{Workspace: "w", PID: -1}))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = DecodeScope(in)
		_, _, _ = decodeSubscribe(in)
		_, _ = decodeCall(in, func(b []byte) string { return string(b) })
		e, err := decodeEvent(in)
		if err != nil {
			return
		}
		again, err := decodeEvent(append(appendEvent(nil, 0, e.Lost), encodeEvent(e)...))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("event %+v became %+v, %v", e, again, err)
		}
	})
}
