package wire

import (
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// newRand returns a source whose seed is printed when the test fails; WIRE_SEED
// sets it.
func newRand(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("WIRE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("WIRE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func TestEveryTypeThereAndBack(t *testing.T) {
	rnd := newRand(t)
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			for range 100 {
				sent, got, _, err := c.random(rnd)
				if err != nil {
					t.Fatalf("%#v: %v", sent, err)
				}
				a, b := reflect.ValueOf(&sent).Elem(), reflect.ValueOf(&got).Elem()
				if c.name == "Error" {
					x, _ := sent.(error)
					y, _ := got.(error)
					a, b = reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem()
				}
				if !equal(a, b) {
					t.Fatalf("sent %#v\n got %#v", sent, got)
				}
			}
		})
	}
}

// TestCutAndBentInputIsRefusedOrRead cuts and changes valid messages at every
// place: a decoder may read something else or refuse, in the right words.
func TestCutAndBentInputIsRefusedOrRead(t *testing.T) {
	rnd := newRand(t)
	for _, c := range codecs() {
		for range 20 {
			_, _, b, _ := c.random(rnd)
			for range 200 {
				bad := append([]byte(nil), b[:rnd.IntN(len(b)+1)]...)
				if len(bad) > 0 && rnd.IntN(2) == 0 {
					bad[rnd.IntN(len(bad))] = byte(rnd.Uint32())
				}
				if _, _, err := c.decode(bad); err != nil && !errors.Is(err, sdk.ErrInvalid) {
					t.Fatalf("%s: %v is not ErrInvalid", c.name, err)
				}
			}
		}
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	b := appendText(AppendRecord(nil, sdk.Record{PID: 4}), 200, "of a later version")
	b = append(b, 0xcb, 0x0c, 0xcc, 0x0c) // an empty group, number 201
	if got, err := DecodeRecord(b); err != nil || got.PID != 4 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestValueOfAnotherTypeIsRefusedByTheReceiver(t *testing.T) {
	if _, err := DecodeValue(AppendValue(nil, struct{}{})); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("err = %v", err)
	}
}

// TestHugeListInSmallMessage is 2 bytes for each element, many of them.
func TestHugeListInSmallMessage(t *testing.T) {
	b := make([]byte, 2*(MaxList+1))
	for i := 0; i < len(b); i += 2 {
		b[i] = 0x0a
	}
	if _, err := DecodeRequests(b); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("err = %v", err)
	}
	if got, err := DecodeRequests(b[2:]); err != nil || len(got) != MaxList {
		t.Errorf("the longest list: %d, %v", len(got), err)
	}
}

// TestDecodedBytesAreTheCallers overwrites the input after decoding.
func TestDecodedBytesAreTheCallers(t *testing.T) {
	b := AppendMessage(nil, sdk.Message{Op: "op", Body: []byte("body")})
	v, err := DecodeMessage(b)
	clear(b)
	if err != nil || v.Op != "op" || string(v.Body) != "body" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func FuzzDecode(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := codecs()
	for i, c := range all {
		for n := 0; n < 3; {
			if _, _, b, _ := c.random(rnd); len(b) < 1000 {
				f.Add(uint8(i), b)
				n++
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		c := all[int(which)%len(all)]
		first, second, err := c.decode(b)
		if err != nil {
			if !errors.Is(err, sdk.ErrInvalid) {
				t.Errorf("%s: %v is not ErrInvalid", c.name, err)
			}
			return
		}
		if a, z := reflect.ValueOf(&first).Elem(), reflect.ValueOf(&second).Elem(); c.name != "Error" && !equal(a, z) {
			t.Errorf("%s: read %#v, after writing it %#v", c.name, first, second)
		}
	})
}
