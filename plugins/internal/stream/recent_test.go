package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// A client that lost its connection asks for what it missed, with the number of the
// last event it saw.
func TestSubscriberComesBackForWhatItMissed(t *testing.T) {
	limits := DefaultLimits()
	limits.Resend, limits.ResendBytes = 10, 1<<20
	r := newRig(t, limits)
	s := r.serve(handler{})
	for n := range 30 {
		if err := s.Publish(r.ctx, sdk.Event{Topic: fmt.Sprint("ab"[n%2:][:1]), Epoch: uint64(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ after, first, lost uint64 }{ // first: number of the first event of topic b to come
		{after: 25, first: 26},
		{after: 20, first: 22},
		{after: 12, first: 22, lost: 8},
		{after: 30, first: 31},
		{after: 0, first: 32},
	} {
		c := r.connect()
		defer c.Close()
		codec := plain{bufio.NewReader(c)}
		ask := append(binary.BigEndian.AppendUint64(nil, test.after), 'b')
		if _, err := c.Write(codec.Append(nil, KindSubscribe, 1, nil, ask)); err != nil {
			t.Fatal(err)
		}
		replied := 0
		var f Frame
		for replied < 2 { // the answer to the subscription and the first event, in either order
			got, err := codec.Read()
			if err != nil {
				t.Fatal(err)
			}
			replied++
			switch {
			case got.Kind == KindEvent && f.Kind == 0:
				f = got
			case got.Kind == KindReply && test.first > 30:
				if err := s.Publish(r.ctx, sdk.Event{Topic: "b", Epoch: test.first}); err != nil {
					t.Fatal(err)
				}
			}
		}
		e, err := decodeEvent(f.Payload)
		number := binary.BigEndian.Uint64(f.Payload)
		if err != nil || number != test.first || e.Epoch != number || e.Topic != "b" || e.Lost != test.lost {
			t.Errorf("after %d: event %d %+v, %v; want %+v", test.after, number, e, err, test)
		}
	}
	if _, _, err := s.recent.since(1000); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("another server's number: %v", err)
	}
}

func TestRecentIsBounded(t *testing.T) {
	var r recent
	l := Limits{Resend: 100, ResendBytes: 1000}
	for range 50 {
		r.add(kept{tail: make([]byte, 300)}, l)
	}
	if len(r.events) != 3 || r.bytes != 900 {
		t.Errorf("kept %d events of %d bytes", len(r.events), r.bytes)
	}
	r.add(kept{tail: make([]byte, 5000)}, l)
	if missed, lost, err := r.since(49); len(missed) != 0 || lost != 2 || err != nil {
		t.Errorf("after one larger than the window: %d missed, %d lost, %v", len(missed), lost, err)
	}
}
