package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/ramet-io/ramet/sdk"
	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
)

var someFrames = []frame{
	{kind: kindRequest, id: 1, op: opDBApply, object: 3, epoch: 9, timeout: time.Second, body: []byte("body")},
	{kind: kindRequest, id: math.MaxUint64, op: opDrop, object: math.MaxUint64, epoch: math.MaxUint64, timeout: math.MaxInt64, abandoned: true, body: []byte{}},
	{kind: kindReply, id: 2, object: 5, body: bytes.Repeat([]byte("x"), 100_000)},
	{kind: kindError, id: 3, body: []byte{}},
	{kind: kindCancel, id: 4, body: []byte{}},
	{kind: kindPing, body: []byte{}}, {kind: kindPong, body: []byte{}},
}

func brief(f frame) string { return fmt.Sprintf("%.200s", fmt.Sprint(f)) }

func encoded(list []frame) []byte {
	var b []byte
	for _, f := range list {
		start := len(b)
		b = openFrame(b, &f)
		at := len(b)
		b = append(b, f.body...)
		shutFrame(b, start, at)
	}
	return b
}

// TestFramesThereAndBack through readers that give little at a time.
func TestFramesThereAndBack(t *testing.T) {
	b := encoded(someFrames)
	for name, src := range map[string]io.Reader{"whole": bytes.NewReader(b), "halves": iotest.HalfReader(bytes.NewReader(b)),
		"bytes": iotest.OneByteReader(bytes.NewReader(b)), "with the error": iotest.DataErrReader(bytes.NewReader(b))} {
		r := frameReader{src: src}
		for _, want := range someFrames {
			got, err := r.next()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got %s, %v, want %s", name, brief(got), err, brief(want))
			}
		}
		if _, err := r.next(); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

// TestGeneratedCodeReadsFrames: the bytes of many frames are one Frames message.
func TestGeneratedCodeReadsFrames(t *testing.T) {
	var m pb.Frames
	if err := proto.Unmarshal(encoded(someFrames), &m); err != nil {
		t.Fatal(err)
	}
	for i, want := range someFrames {
		f := m.List[i]
		got := frame{kind: kind(f.Kind), id: f.Id, op: op(f.Op), object: f.Object, epoch: f.Epoch, timeout: time.Duration(f.Timeout),
			abandoned: f.Abandoned, body: append([]byte{}, f.Body...)}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %s, want %s", brief(got), brief(want))
		}
	}
	// And what the generated code writes is read here.
	b, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	r := frameReader{src: bytes.NewReader(b)}
	for _, want := range someFrames {
		got, err := r.next()
		if err != nil || got.kind != want.kind || got.id != want.id || !bytes.Equal(got.body, want.body) {
			t.Errorf("got %s, %v, want %s", brief(got), err, brief(want))
		}
	}
}

// TestOperationsAreThoseOfTheProtoFile, by number and name.
func TestOperationsAreThoseOfTheProtoFile(t *testing.T) {
	if len(pb.Operation_name) != len(opNames)+1 {
		t.Errorf("%d operations here, %d in frame.proto", len(opNames), len(pb.Operation_name)-1)
	}
	for o, name := range opNames {
		want := strings.ReplaceAll(strings.TrimPrefix(pb.Operation_name[int32(o)], "OPERATION_"), "_", "")
		if got := strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(name, "object."), ".", "")); got != want {
			t.Errorf("operation %d is %s here and %s in frame.proto", o, got, want)
		}
		if o != opDrop && o.stage() == "" {
			t.Errorf("%s belongs to no stage", o)
		}
	}
}

func TestFrameLengthIsCheckedBeforeMemoryIsSetAside(t *testing.T) {
	for _, n := range []uint64{maxFrame + 1, math.MaxUint32, math.MaxUint64} {
		r := frameReader{src: bytes.NewReader(protowire.AppendVarint([]byte{frameTag}, n))}
		if _, err := r.next(); !errors.Is(err, sdk.ErrInvalid) || cap(r.buf) > 2*slabBytes {
			t.Errorf("length %d: %v, with %d bytes set aside", n, err, cap(r.buf))
		}
	}
}

func TestCutFramesAreUnexpectedEOF(t *testing.T) {
	b := encoded(someFrames[:1])
	for n := 1; n < len(b); n++ {
		r := frameReader{src: bytes.NewReader(b[:n])}
		if _, err := r.next(); err != io.ErrUnexpectedEOF {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
}

// TestBodyOverTheCapIsRefused, by its sender and by its receiver.
func TestBodyOverTheCapIsRefused(t *testing.T) {
	b := make([]byte, maxBody+100) // fresh pages: never touched, so they take no memory
	if got, ok := sealFrame(b, 4, 99, &frame{kind: kindRequest, id: 7}); ok || len(got) != 4 {
		t.Errorf("%d bytes were sealed: %v, %d bytes are left", maxBody+1, ok, len(got))
	}
	p := parts{partKey{kindRequestPart, 7}: b[:maxBody]}
	if err := p.add(&frame{kind: kindRequestPart, id: 7, body: []byte("x")}); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("one byte more was taken: %v", err)
	}
	if err := p.add(&frame{kind: kindAnswerPart, id: 7, body: []byte("x")}); err != nil {
		t.Errorf("the part of another body: %v", err)
	}
}

// TestBodiesThatNeverEndAreRefused: many ids, each with a part that nothing follows.
func TestBodiesThatNeverEndAreRefused(t *testing.T) {
	for name, part := range map[string][]byte{"large": make([]byte, partBytes), "tiny": {1}} {
		p := parts{}
		var err error
		id := uint64(0)
		for err == nil && id < 10*maxOpenBodies {
			id++
			err = p.add(&frame{kind: kindRequestPart, id: id, body: part})
		}
		if !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %d bodies were begun: %v", name, id, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(encoded(someFrames[:2]))
	f.Add(encoded(someFrames[3:]))
	f.Add([]byte{frameTag, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1})
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := frameReader{src: iotest.HalfReader(bytes.NewReader(b))}
		for {
			got, err := r.next()
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, sdk.ErrInvalid) {
					t.Fatalf("error %v", err)
				}
				return
			}
			again := encoded([]frame{got})
			second, err := (&frameReader{src: bytes.NewReader(again)}).next()
			if len(got.body) == 0 {
				got.body, second.body = nil, nil
			}
			if err != nil || !reflect.DeepEqual(got, second) {
				t.Fatalf("read %+v, after writing it %+v, %v", got, second, err)
			}
		}
	})
}
