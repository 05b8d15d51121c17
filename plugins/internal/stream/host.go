package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

// Host is what everything that one opened plugin opened has in common. It owns
// every server and link until they are closed. Its WaitHealth and Close are those of
// [sdk.Running]. Safe for concurrent use.
type Host struct {
	Limits Limits

	name   string
	log    hclog.Logger
	closed chan struct{} // closed by Close

	mu       sync.Mutex // guards all below
	owned    map[closer]struct{}
	shut     bool
	counters map[string]uint64
	told     map[string]told
}

// closer is a server or a link.
type closer interface{ Close(context.Context) error }

// told is when a counter was last logged, and its value then.
type told struct {
	at    time.Time
	count uint64
}

// NewHost returns a host for the plugin with this name.
func NewHost(name string, log hclog.Logger, l Limits) *Host {
	return &Host{Limits: l, name: name, log: log, closed: make(chan struct{}),
		owned: map[closer]struct{}{}, counters: map[string]uint64{}, told: map[string]told{}}
}

// WaitHealth implements [sdk.Running]. There is no engine that could degrade.
func (h *Host) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		h.mu.Lock()
		defer h.mu.Unlock()
		health := sdk.Health{Number: 1, Condition: sdk.Ready}
		for _, name := range slices.Sorted(maps.Keys(h.counters)) {
			health.Counters = append(health.Counters, sdk.Counter{Name: name, Count: h.counters[name]})
		}
		return health, nil
	}
	select {
	case <-h.closed:
		return sdk.Health{}, h.ErrShut()
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
}

// Shut returns ErrShut once Close was called, else nil.
func (h *Host) Shut() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		return h.ErrShut()
	}
	return nil
}

// ErrShut says that the plugin was closed.
func (h *Host) ErrShut() error { return fmt.Errorf("%w: %s was closed", sdk.ErrClosed, h.name) }

// own registers c, so that Close can end it; false if it is too late for that.
func (h *Host) own(c closer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		return false
	}
	h.owned[c] = struct{}{}
	return true
}

func (h *Host) disown(c closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.owned, c)
}

// Close implements [sdk.Running]: it closes every server and link.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.shut {
		h.shut = true
		close(h.closed)
	}
	var all []closer
	for c := range h.owned {
		all = append(all, c)
	}
	h.mu.Unlock()

	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { errs[i] = c.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// The counters, since the plugin was opened.
const (
	CountSilent   = "refused_silent"   // connections that did not prove themselves in time
	CountProtocol = "refused_protocol" // connections, proved or not, that broke the protocol
	CountScope    = "refused_scope"    // peers of another user, workspace or epoch
	CountProof    = "refused_proof"    // peers without the workspace's secret, and frames not sent by the peer
	CountCalls    = "refused_calls"    // calls beyond the bounds of one link
	CountStalled  = "cut_stalled"      // peers that read nothing
	CountEvents   = "lost_events"      // events dropped because a subscriber's queue was full
)

// Refusal is an error with the counter it belongs to.
type Refusal struct {
	Counter string
	Err     error
}

// Error returns the text of the cause.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// repeat is how often the same kind of refusal is logged while it goes on.
const repeat = 10 * time.Second

// note counts a refusal and logs it: the first at once, a flood of them once in a
// while, with how many there were.
func (h *Host) note(counter string, n uint64, what string, args ...any) {
	h.mu.Lock()
	h.counters[counter] += n
	count, last, now := h.counters[counter], h.told[counter], time.Now()
	quiet := !last.at.IsZero() && now.Sub(last.at) < repeat
	if !quiet {
		h.told[counter] = told{now, count}
	}
	h.mu.Unlock()
	if !quiet {
		h.log.Warn(what, append(args, "counter", counter, "count", count, "new", count-last.count)...)
	}
}

// isForeign reports whether err says that the peer broke the protocol, and not that
// it ended.
func isForeign(err error) bool {
	return errors.Is(err, sdk.ErrInvalid) || errors.Is(err, sdk.ErrIncompatible)
}

// refused notes why a connection was not taken or was cut.
func (h *Host) refused(err error, what string, args ...any) {
	counter := CountSilent
	var r *Refusal
	switch {
	case errors.As(err, &r):
		counter = r.Counter
	case isForeign(err):
		counter = CountProtocol
	}
	h.note(counter, 1, what, append(args, "err", err)...)
}
