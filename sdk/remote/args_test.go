package remote

import (
	"errors"
	"io"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
	"github.com/ramet-io/ramet/sdk/wire"
)

// TestArgumentsThereAndBackAndInGeneratedCode: what frame.proto has besides values.
func TestArgumentsThereAndBackAndInGeneratedCode(t *testing.T) {
	to := target{scope: sdk.Scope{Workspace: "w", Epoch: 3}, at: []sdk.Endpoint{"unix:///a", "unix:///b"}}
	b := appendTarget(nil, to)
	if got, err := decodeTarget(b); err != nil || !reflect.DeepEqual(got, to) {
		t.Errorf("target: %+v, %v", got, err)
	}
	var pt pb.Target
	if err := proto.Unmarshal(b, &pt); err != nil || pt.Scope.Epoch != 3 || len(pt.At.List) != 2 {
		t.Errorf("target: %v, %v", &pt, err)
	}

	o := opened{columns: []sdk.Column{{Name: "a"}}, first: sdk.Block{Last: true}}
	b = appendOpened(nil, o)
	if got, err := decodeOpened(b); err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("opened: %+v, %v", got, err)
	}
	o = opened{columns: []sdk.Column{{Name: "a"}}, err: io.EOF}
	b = appendOpened(nil, o)
	var po pb.Opened
	if err := proto.Unmarshal(b, &po); err != nil || string(po.Columns.List[0].Name) != "a" || po.Err.Codes[0] != 1003 {
		t.Errorf("opened: %v, %v", &po, err)
	}
	if got, err := decodeOpened(b); err != nil || got.err != io.EOF {
		t.Errorf("opened: %+v, %v", got, err)
	}

	for _, d := range []delivery{{from: sdk.Peer{Session: "s"}, message: sdk.Message{Op: "x"}}, {from: sdk.Peer{UID: -1}, event: &sdk.Event{Topic: "t"}}} {
		b = appendDelivery(nil, d)
		var pd pb.Delivery
		if err := proto.Unmarshal(b, &pd); err != nil || pd.From.Session != d.from.Session || (pd.Event != nil) != (d.event != nil) {
			t.Errorf("delivery: %v, %v", &pd, err)
		}
		from, message, event, err := splitDelivery(b)
		if peer, bad := wire.DecodePeer(from); err != nil || bad != nil || peer.Session != d.from.Session || (message == nil) == (event == nil) {
			t.Errorf("delivery: %+v, %v, %v", peer, err, bad)
		}
	}

	for _, v := range []int64{0, 1, -1, 1 << 40} {
		if got, err := decodeVersion(appendVersion(nil, v)); err != nil || got != v {
			t.Errorf("version %d: %d, %v", v, got, err)
		}
	}
	for _, bad := range [][]byte{{0x0a, 9}, {0xff}, {0x12, 0x80}} {
		if _, err := decodeTarget(bad); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("target of %x: %v", bad, err)
		}
		if _, err := decodeVersion(bad); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("version of %x: %v", bad, err)
		}
	}
}
