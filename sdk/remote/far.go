package remote

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// far is the plugin's side: it turns the kernel's requests into calls of the opened
// plugin. The objects that calls make stay here; the kernel knows their numbers.
type far struct {
	conn *conn

	mu      sync.Mutex // guards all below
	running sdk.Running
	last    uint64
	objects map[uint64]any
}

func newFar() *far { return &far{objects: map[uint64]any{}} }

// open makes the stages of r reachable.
func (f *far) open(r sdk.Running) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = r
}

// opened returns what open was given, or nil.
func (f *far) opened() sdk.Running {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// handle runs one request.
func (f *far) handle(r *request) {
	defer reportPanic(r)
	var err error
	switch {
	case r.op == opDrop:
		err = f.drop(r)
	case f.opened() == nil:
		err = fmt.Errorf("%w: %s before the plugin was opened", sdk.ErrInvalid, r.op)
	default:
		err = f.dispatch(r)
	}
	switch {
	case err != nil:
		r.answerError(err)
	case !r.answered:
		answerWith(r, 0, nil, appendRaw)
	}
}

// dispatch calls the method that r names. Without an error and without an answer
// the method has no result.
func (f *far) dispatch(r *request) error {
	switch s := r.op.stage(); s {
	case "ports":
		return f.ports(r)
	case "lock":
		return f.lock(r)
	case "store":
		return f.store(r)
	case "transport":
		return f.transport(r)
	case "watcher":
		return f.watcher(r)
	}
	return errUnknownOp(r)
}

func errUnknownOp(r *request) error {
	return fmt.Errorf("%w: %s is not known to this version of the plugin", sdk.ErrUnsupported, r.op)
}

func (f *far) ports(r *request) error {
	p, err := served(r, f.opened().Ports())
	if err != nil {
		return err
	}
	if r.op != opPortsCandidates {
		return errUnknownOp(r)
	}
	w, err := wire.DecodeWorkspace(r.body)
	if err != nil {
		return err
	}
	sets, err := p.Candidates(r, w)
	return reply(r, sets, err, wire.AppendEndpointSets)
}

func (f *far) watcher(r *request) error {
	w, err := served(r, f.opened().Watcher())
	if err != nil {
		return err
	}
	if r.op != opWatcherJudge {
		return errUnknownOp(r)
	}
	e, err := wire.DecodeEvidence(r.body)
	if err != nil {
		return err
	}
	j, err := w.Judge(r, e)
	return reply(r, j, err, wire.AppendJudgement)
}

// served returns the stage, or an error if the plugin does not serve it.
func served[T comparable](r *request, stage T) (T, error) {
	var none T
	if stage == none {
		return stage, fmt.Errorf("%w: this plugin does not serve the %s stage", sdk.ErrUnsupported, r.op.stage())
	}
	return stage, nil
}

// reply answers with a result, unless err.
func reply[R any](r *request, v R, err error, app func([]byte, R) []byte) error {
	if err == nil {
		answerWith(r, 0, v, app)
	}
	return err
}

// made answers with a new object, unless err. Its description goes into the body.
func made[R any](f *far, r *request, object any, v R, err error, app func([]byte, R) []byte) error {
	if err == nil {
		answerWith(r, f.keep(object), v, app)
	}
	return err
}

// keep gives an object a number.
func (f *far) keep(object any) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.objects[f.last] = object
	return f.last
}

// object returns the object that r names, if it is a T.
func object[T any](f *far, r *request) (T, error) {
	f.mu.Lock()
	o := f.objects[r.object]
	f.mu.Unlock()
	t, ok := o.(T)
	if !ok {
		return t, fmt.Errorf("%w: %s of object %d, which is not open", sdk.ErrClosed, r.op, r.object)
	}
	return t, nil
}

// forget removes an object that was closed.
func (f *far) forget(r *request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, r.object)
}

// drop closes an object of any kind.
func (f *far) drop(r *request) error {
	o, err := object[any](f, r)
	if err != nil {
		return nil // there is none
	}
	f.forget(r)
	switch o := o.(type) {
	case sdk.Lease:
		return o.Release(r)
	case sdk.Tx:
		return o.Rollback(r)
	case interface {
		Close(context.Context) error
	}:
		return o.Close(r)
	case io.Closer:
		return o.Close()
	}
	return nil
}
