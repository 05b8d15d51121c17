package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// near is what every object on the kernel's side is: a number that the plugin's
// process knows, and the way there.
type near struct {
	c  *child
	id uint64 // 0: a stage
}

// releaseGrace is how much longer than its context a call that releases something
// may take.
const releaseGrace = time.Second

// none is for methods without an argument or a result.
type none = []byte

func decodeNone([]byte) (none, error)      { return nil, nil }
func decodeText(b []byte) (string, error)  { return string(b), nil }
func decodeBytes(b []byte) ([]byte, error) { return append([]byte(nil), b...), nil }

// ask calls a method that returns a value.
func ask[A, R any](ctx context.Context, n near, o op, epoch uint64, arg A, app func([]byte, A) []byte, dec func([]byte) (R, error)) (R, error) {
	r, _, err := obtain(ctx, n, o, epoch, arg, app, dec)
	return r, err
}

// obtain calls a method that makes an object.
func obtain[A, R any](ctx context.Context, n near, o op, epoch uint64, arg A, app func([]byte, A) []byte, dec func([]byte) (R, error)) (R, near, error) {
	var zero R
	a, err := invoke(ctx, n.c.conn, o, n.id, epoch, arg, app)
	if err != nil {
		return zero, near{}, explain(o, err)
	}
	r, bad := dec(a.body)
	if bad != nil {
		// The call was made, and nobody knows with which result.
		return zero, near{}, explain(o, &brokenError{sent: true, why: bad})
	}
	return r, near{c: n.c, id: a.object}, nil
}

// tell calls a method that has neither argument nor result.
func (n near) tell(ctx context.Context, o op) error {
	_, err := ask(ctx, n, o, 0, nil, appendRaw, decodeNone)
	return err
}

// release calls a method that gives something back, also when ctx has ended. A
// plugin that does not do it in time is killed, which gives everything back: then
// nothing is left to be unclean about.
func (n near) release(ctx context.Context, o op) error {
	// It has a second more than ctx leaves it.
	budget, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		late := time.AfterFunc(releaseGrace, cancel)
		context.AfterFunc(budget, func() { late.Stop() })
	})()
	err := n.tell(budget, o)
	if err != nil && (errors.Is(err, sdk.ErrUnclean) || isOver(err) && budget.Err() != nil) {
		n.c.kill(fmt.Errorf("%s did not end in time: %w", o, err))
		return nil
	}
	return err
}

// finish is release for methods without a context.
func (n near) finish(o op) error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseGrace)
	defer cancel()
	return n.tell(ctx, o)
}

type nearPorts struct{ near }

func (p nearPorts) Candidates(ctx context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	return ask(ctx, p.near, opPortsCandidates, 0, w, wire.AppendWorkspace, wire.DecodeEndpointSets)
}

type nearWatcher struct{ near }

func (w nearWatcher) Judge(ctx context.Context, e sdk.Evidence) (sdk.Judgement, error) {
	return ask(ctx, w.near, opWatcherJudge, 0, e, wire.AppendEvidence, wire.DecodeJudgement)
}
