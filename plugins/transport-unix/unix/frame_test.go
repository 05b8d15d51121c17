package unix

import (
	"bytes"
	"testing"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// FuzzFrames feeds the readers of everything that a peer can send; what is in the
// frames is fuzzed in package stream.
func FuzzFrames(f *testing.F) {
	f.Add(frame(stream.KindCall, []byte("payload")))
	f.Add(appendHello(nil, stream.AppendScope(nil, sdk.Scope{Workspace: "w", PID: -1})))
	f.Add([]byte("\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if payload, err := readHello(bytes.NewReader(in)); err == nil {
			_, _ = stream.DecodeScope(payload)
		}
		c, again := newCodec(bytes.NewReader(in)), []byte(nil)
		for {
			fr, err := c.Read()
			if err != nil {
				break
			}
			again = c.Append(again, fr.Kind, fr.ID, nil, fr.Payload)
		}
		if !bytes.HasPrefix(in, again) {
			t.Errorf("%x was read as %x", in, again)
		}
	})
}
