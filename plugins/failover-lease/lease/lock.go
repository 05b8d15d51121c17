package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/ramet-io/ramet/sdk"
)

// locker is the lock of one state directory, as one instance sees it.
type locker struct {
	dir, path, record, beat string
	opts                    options
	log                     hclog.Logger

	end    context.Context // done when closing: ends every Await
	cancel context.CancelFunc
	ops    sync.WaitGroup // calls that may still grant a lease

	mu     sync.Mutex // guards the rest
	closed bool
	noted  string              // the last remark on the place, logged once
	leases map[*lease]struct{} // granted and not released
}

var _ sdk.Lock = (*locker)(nil)

func newLocker(env sdk.Env, o options) *locker {
	dir := env.Workspace.StateDir
	end, cancel := context.WithCancel(context.Background())
	return &locker{
		dir:    dir,
		path:   filepath.Join(dir, "lock"),
		record: filepath.Join(dir, "record"),
		beat:   filepath.Join(dir, "beat"),
		opts:   o,
		log:    env.Log(),
		end:    end,
		cancel: cancel,
		leases: map[*lease]struct{}{},
	}
}

// Acquire tries once.
func (k *locker) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	ctx, done, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	a, err := k.prepare(c)
	if err != nil {
		return nil, err
	}
	l, p, err := a.tryAndLook(ctx)
	if err != nil {
		return nil, err
	}
	if l != nil {
		return l, nil
	}
	if h := p.holder(); !c.Takeover || h.Incarnation != c.Displaces.Incarnation || h.Epoch != c.Displaces.Epoch {
		return nil, &sdk.HeldError{Holder: p.heldBy(), What: k.path}
	}
	return a.grant(ctx, nil)
}

// dyingTries bounds how long a takeover waits for the lock of a process that has
// just died: 5 ms.
const dyingTries = 25

// tryAndLook makes one attempt and, if the lock is held, looks at who has it. A
// dead holder that is to be displaced gets a few milliseconds: either its last
// threads have not let go yet, or another just won and has not signed yet, and a
// takeover would compete with that one for nothing.
func (a attempt) tryAndLook(ctx context.Context) (*lease, picture, error) {
	for i := 0; ; i++ {
		l, err := a.try(ctx)
		if l != nil || err != nil {
			return l, picture{}, err
		}
		p, err := a.k.look()
		if err != nil { // held is held, whatever the record looks like
			a.k.log.Debug("lock is held and its record cannot be read", "error", err)
			return nil, picture{}, &sdk.HeldError{What: a.k.path}
		}
		r := p.record.Record
		dying := a.claim.Takeover && p.record.ok && !r.Takeover && !p.lockedBy() && p.alive(r) == sdk.Dead
		if !dying || i >= dyingTries {
			return nil, p, nil
		}
		nap(burstStep)
	}
}

// Inspect reports what is known. Whether the lock is held it tells from the processes
// that the files name: trying it could make another's attempt fail, and reading
// /proc/locks keeps every file lock of the machine waiting for an RCU grace period,
// 7 ms in which no flock is taken and no database written.
func (k *locker) Inspect(ctx context.Context) (sdk.Holding, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Holding{}, err
	}
	err := checkDir(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.Holding{}, nil
	}
	if err != nil {
		return sdk.Holding{}, err
	}
	p, err := k.look()
	if err != nil {
		return sdk.Holding{}, err
	}
	return sdk.Holding{
		Record:    p.holder(),
		Announced: p.record.Record,
		Held:      p.held(),
		Beat:      readBeat(k.beat),
	}, nil
}

// Alive reports whether r's process exists.
func (k *locker) Alive(ctx context.Context, r sdk.Record) (sdk.Liveness, error) {
	if err := ctx.Err(); err != nil {
		return sdk.LivenessUnknown, err
	}
	return k.alive(r), nil
}

// begin counts a call that may grant a lease, and ties its context to the
// plugin's life.
func (k *locker) begin(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, fmt.Errorf("%w: failover-lease", sdk.ErrClosed)
	}
	k.ops.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.end, func() { cancel(fmt.Errorf("%w: failover-lease", sdk.ErrClosed)) })
	return ctx, func() { stop(); cancel(nil); k.ops.Done() }, nil
}

// attempt is one claim on its way.
type attempt struct {
	k     *locker
	claim sdk.Claim
	ttl   time.Duration
}

// prepare checks claim and place.
func (k *locker) prepare(c sdk.Claim) (attempt, error) {
	a := attempt{k, c, c.TTL}
	if a.ttl == 0 {
		a.ttl = k.opts.ttl
	}
	if err := checkTTL(a.ttl); err != nil {
		return a, err
	}
	if c.Record.Incarnation == "" {
		return a, fmt.Errorf("%w: a claim without an incarnation; draw one at Bootstrap", sdk.ErrInvalid)
	}
	note, err := prepareDir(k.dir, k.opts.allowUnsafe)
	if err != nil {
		return a, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if note != k.noted {
		k.noted = note
		k.log.Info(note)
	}
	return a, nil
}

// try makes one attempt at the flock; nil, nil: it is held.
func (a attempt) try(ctx context.Context) (*lease, error) {
	f, ok, err := a.k.lockPath()
	if err != nil || !ok {
		return nil, err
	}
	return a.grant(ctx, &f)
}

// grant makes a lease of a locked file, or without one a lease by takeover. A
// call that ended meanwhile gets nothing, and the file is unlocked again.
func (a attempt) grant(ctx context.Context, f *lockFile) (*lease, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, errors.Join(err, closeFile(f))
	}
	seen, err := readEntry(a.k.record)
	if err != nil && f == nil {
		return nil, err
	}
	l := &lease{
		k:    a.k,
		rec:  identify(a.claim.Record),
		beat: readBeat(a.k.beat),
		terms: sdk.Terms{
			Epoch:    seen.Record.Epoch,
			Lineage:  seen.Record.Lineage,
			Takeover: f == nil,
			TTL:      a.ttl,
			MinTTL:   minTTL,
		},
	}
	l.terms.StartTime = l.rec.StartTime
	l.rec.Left, l.rec.Endpoints = false, nil
	if f != nil {
		l.files = []lockFile{*f}
		sweepTemps(a.k.record)
		l.sign()
		l.raise(seen)
	}
	if !a.k.keep(ctx, l) {
		l.abandon()
		return nil, context.Cause(ctx)
	}
	return l, nil
}

// keep registers l, unless the call or the plugin ended.
func (k *locker) keep(ctx context.Context, l *lease) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || ctx.Err() != nil {
		return false
	}
	k.leases[l] = struct{}{}
	return true
}

func (k *locker) forget(l *lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.leases, l)
}

// close ends the calls under way, then releases what was granted.
func (k *locker) close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.ops.Wait() // each ends within milliseconds of cancel
	k.mu.Lock()
	left := make([]*lease, 0, len(k.leases))
	for l := range k.leases {
		left = append(left, l)
	}
	k.mu.Unlock()
	var errs []error
	for _, l := range left {
		errs = append(errs, l.Release(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

func (e entry) encode() []byte {
	e.Format = fileFormat
	raw, err := json.Marshal(e)
	if err != nil {
		return nil // cannot happen: plain data
	}
	return append(raw, '\n')
}
