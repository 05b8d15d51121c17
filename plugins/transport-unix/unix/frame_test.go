package unix

import (
	"bufio"
	"bytes"
	"reflect"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// FuzzFrames feeds the readers of everything a peer can send.
func FuzzFrames(f *testing.F) {
	f.Add(appendCall(nil, 1, sdk.Message{Op: "op", Epoch: 2, Timeout: 3, Body: []byte("body")}))
	f.Add(appendEvent(nil, kindPublish, 0, 1, encodeEvent(sdk.Event{Topic: "t", From: "f", Body: []byte("b")})))
	f.Add(appendHello(nil, appendScope(nil, sdk.Scope{Workspace: "w", PID: -1})))
	f.Add([]byte("\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if payload, err := readHello(bytes.NewReader(in)); err == nil {
			_, _ = decodeScope(payload)
		}
		r := bufio.NewReader(bytes.NewReader(in))
		for {
			fr, err := readFrame(r)
			if err != nil {
				return
			}
			_, _ = decodeCall(fr.payload, func(b []byte) string { return string(b) })
			if e, err := decodeEvent(fr.payload); err == nil {
				if again, err := decodeEvent(appendEvent(nil, kindEvent, 0, e.Lost, encodeEvent(e))[headerBytes:]); err != nil || !reflect.DeepEqual(again, e) {
					t.Errorf("event %+v became %+v, %v", e, again, err)
				}
			}
		}
	})
}

func TestEndpointsThereAndBack(t *testing.T) {
	for _, path := range []string{"/a/b", "/with space/%41?x#y", "/ünï/s0"} {
		if got, err := pathOf(endpointOf(path)); err != nil || got != path {
			t.Errorf("%q became %q, %v", path, got, err)
		}
	}
	for _, bad := range []sdk.Endpoint{"", "unix:", "unix://host/p", "tcp://127.0.0.1:1", "unix:rel", "%"} {
		if got, err := pathOf(bad); err == nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
}
