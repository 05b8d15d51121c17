package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

var (
	errorType = reflect.TypeFor[error]()
	anyType   = reflect.TypeFor[any]()
)

// fill sets v to something random: often a zero or a limit.
func fill(v reflect.Value, rnd *rand.Rand, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(pick(rnd, 0, 1, -1, math.MinInt64, math.MaxInt64, int64(rnd.Uint64())))
	case reflect.Uint8:
		v.SetUint(uint64(rnd.IntN(256)))
	case reflect.Uint64:
		v.SetUint(pick(rnd, 0, 1, 127, 128, math.MaxUint64, rnd.Uint64()))
	case reflect.String:
		v.SetString(text(rnd))
	case reflect.Slice:
		if n := rnd.IntN(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(v.Index(i), rnd, depth-1)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), rnd, depth-1)
		}
	case reflect.Interface:
		fillInterface(v, rnd, depth)
	default:
		panic("no random " + v.Type().String())
	}
}

func fillInterface(v reflect.Value, rnd *rand.Rand, depth int) {
	var x any
	switch {
	case v.Type() == errorType:
		x = randomError(rnd, depth)
	case anyType.ConvertibleTo(v.Type()):
		x = randomValue(rnd)
	}
	if x != nil {
		v.Set(reflect.ValueOf(x))
	}
}

func pick[T any](rnd *rand.Rand, from ...T) T { return from[rnd.IntN(len(from))] }

func text(rnd *rand.Rand) string {
	return pick(rnd, "", "\x00", "a\xffb", "grüß", "\xed\xa0\x80", "x", strings.Repeat("y", 120+rnd.IntN(20)), strings.Repeat("z", rnd.IntN(3000)))
}

func randomValue(rnd *rand.Rand) any {
	zone := time.FixedZone(text(rnd), rnd.IntN(200000)-100000)
	when := time.Unix(int64(rnd.Uint32())-1<<31, rnd.Int64N(1e9))
	return pick[any](rnd, nil, int64(0), int64(math.MinInt64), int64(math.MaxInt64), int64(rnd.Uint64()),
		0.0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff8_0000_dead_beef),
		math.SmallestNonzeroFloat64, math.MaxFloat64, rnd.NormFloat64(), true, false,
		[]byte(nil), []byte{}, []byte(text(rnd)+"b"), "", text(rnd),
		time.Time{}, when, when.UTC(), when.In(zone), time.Date(-9999, 1, 2, 3, 4, 5, 6, zone), time.Date(292277022399, 1, 1, 0, 0, 0, 999999999, time.UTC))
}

func randomError(rnd *rand.Rand, depth int) error {
	list := []error{nil, context.Canceled, context.DeadlineExceeded, sentinels[rnd.IntN(len(sentinels))].err,
		&sdk.SQLError{Extended: rnd.IntN(9999), Text: text(rnd)}, &sdk.CallError{Method: text(rnd), Text: text(rnd)}, errors.New(text(rnd))}
	if depth > 0 {
		var holder sdk.Record
		fill(reflect.ValueOf(&holder).Elem(), rnd, depth-1)
		list = append(list, &sdk.HeldError{Holder: holder, What: text(rnd)},
			&sdk.NotPrimaryError{Endpoints: []sdk.Endpoint{sdk.Endpoint(text(rnd))}, Epoch: rnd.Uint64()},
			&sdk.OutcomeUnknownError{ID: sdk.WriteID{Sequence: rnd.Uint64()}, Cause: randomError(rnd, depth-1)},
			&sdk.StageError{Stage: sdk.Stage(text(rnd)), Op: text(rnd), Err: randomError(rnd, depth-1)},
			errors.Join(randomError(rnd, depth-1), randomError(rnd, depth-1)),
			fmt.Errorf("%s: %w", text(rnd), errors.Join(sdk.ErrClosed, randomError(rnd, depth-1))))
	}
	return pick(rnd, list...)
}

// equal is reflect.DeepEqual, but exact where that is loose or too strict: bits of
// floats, zones of times, and errors by what one can ask of them.
func equal(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	if !a.IsValid() {
		return true
	}
	if x, ok := a.Interface().(time.Time); ok {
		y := b.Interface().(time.Time)
		xn, xo := x.Zone()
		yn, yo := y.Zone()
		return x.Equal(y) && xn == yn && xo == yo && (x.Location() == time.UTC) == (y.Location() == time.UTC)
	}
	switch a.Kind() {
	case reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Interface:
		if a.Type() == errorType {
			x, _ := a.Interface().(error)
			y, _ := b.Interface().(error)
			return equalError(x, y)
		}
		return equal(a.Elem(), b.Elem())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func equalError(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Error() != b.Error() {
		return false
	}
	for _, s := range sentinels {
		// What nobody knew has become internal, and nothing else may have changed.
		if errors.Is(a, s.err) != errors.Is(b, s.err) && s.err != sdk.ErrInternal {
			return false
		}
	}
	var x, y *sdk.SQLError
	return errors.As(a, &x) == errors.As(b, &y) && reflect.DeepEqual(x, y)
}
