package sdktest

import (
	"context"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// Loopback returns p as if it ran in another process: every argument, result and
// error of every method of every object is encoded and decoded (package wire) on
// its way, the calls to a [sdk.Handler] too. Only contexts and the logger pass as
// they are. So a plugin that passes a suite both ways keeps to what a boundary
// allows: it shares no memory, and its errors and values survive the trip.
//
// It starts no goroutine and adds no buffer. It is as safe for concurrent use as p.
func Loopback(p sdk.Plugin) sdk.Plugin { return loopPlugin{p} }

// appender and decoder are the two functions of a wire pair.
type (
	appender[T any] func([]byte, T) []byte
	decoder[T any]  func([]byte) (T, error)
)

// pass sends v over the wire.
func pass[T any](v T, app appender[T], dec decoder[T]) (T, error) { return dec(app(nil, v)) }

// passed is pass for methods without an error. It panics if package wire cannot
// read what it wrote, which is a bug there and nothing a plugin can cause.
func passed[T any](v T, app appender[T], dec decoder[T]) T {
	got, err := pass(v, app, dec)
	if err != nil {
		panic(fmt.Sprintf("sdktest: loopback of %T: %v", v, err))
	}
	return got
}

// passError sends err over the wire.
func passError(err error) error {
	got, bad := wire.DecodeError(wire.AppendError(nil, err))
	if bad != nil {
		return bad
	}
	return got
}

// answer sends a method's result over the wire. An error stands alone: a boundary
// carries the one or the other.
func answer[T any](v T, err error, app appender[T], dec decoder[T]) (T, error) {
	if err != nil {
		var zero T
		return zero, passError(err)
	}
	return pass(v, app, dec)
}

// object makes the near side of an object that a method returned.
func object[T any](v T, err error, wrap func(T) T) (T, error) {
	if err != nil {
		var zero T
		return zero, passError(err)
	}
	return wrap(v), nil
}

// A text or bytes alone need no message around them.
func appendString(b []byte, s string) []byte { return append(b, s...) }
func decodeString(b []byte) (string, error)  { return string(b), nil }
func appendBytes(b []byte, v []byte) []byte  { return append(b, v...) }
func decodeBytes(b []byte) ([]byte, error)   { return append([]byte(nil), b...), nil }
func passString(s string, err error) (string, error) {
	return answer(s, err, appendString, decodeString)
}

type loopPlugin struct{ p sdk.Plugin }

func (l loopPlugin) Describe() sdk.Info {
	return passed(l.p.Describe(), wire.AppendInfo, wire.DecodeInfo)
}

func (l loopPlugin) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	there, err := pass(env, wire.AppendEnv, wire.DecodeEnv)
	if err != nil {
		return nil, err
	}
	there.Logger = env.Logger
	r, err := l.p.Open(ctx, there)
	return object(r, err, func(r sdk.Running) sdk.Running { return loopRunning{r} })
}

type loopRunning struct{ r sdk.Running }

func (l loopRunning) Ports() sdk.Ports {
	if p := l.r.Ports(); p != nil {
		return loopPorts{p}
	}
	return nil
}

func (l loopRunning) Lock() sdk.Lock {
	if k := l.r.Lock(); k != nil {
		return loopLock{k}
	}
	return nil
}

func (l loopRunning) Store() sdk.Store {
	if s := l.r.Store(); s != nil {
		return loopStore{s}
	}
	return nil
}

func (l loopRunning) Transport() sdk.Transport {
	if t := l.r.Transport(); t != nil {
		return loopTransport{t}
	}
	return nil
}

func (l loopRunning) Watcher() sdk.Watcher {
	if w := l.r.Watcher(); w != nil {
		return loopWatcher{w}
	}
	return nil
}

func (l loopRunning) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	h, err := l.r.WaitHealth(ctx, seen)
	return answer(h, err, wire.AppendHealth, wire.DecodeHealth)
}

func (l loopRunning) Close(ctx context.Context) error { return passError(l.r.Close(ctx)) }

type loopPorts struct{ p sdk.Ports }

func (l loopPorts) Candidates(ctx context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	w, err := pass(w, wire.AppendWorkspace, wire.DecodeWorkspace)
	if err != nil {
		return nil, err
	}
	sets, err := l.p.Candidates(ctx, w)
	return answer(sets, err, wire.AppendEndpointSets, wire.DecodeEndpointSets)
}

type loopWatcher struct{ w sdk.Watcher }

func (l loopWatcher) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	e, err := pass(e, wire.AppendEvidence, wire.DecodeEvidence)
	if err != nil {
		return sdk.Judgement{}, err
	}
	j, err := l.w.Judge(ctx, e)
	return answer(j, err, wire.AppendJudgement, wire.DecodeJudgement)
}
