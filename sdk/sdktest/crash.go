package sdktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Crashable returns p as if it ran in a process that can be killed at any moment:
// between two calls ([Crasher.Crash]) or inside one ([Crasher.CrashBefore],
// [Crasher.CrashAfter]). It is for testing what happens around a plugin when it
// dies; its health names this process as the one that serves it.
//
// At a crash every object of the opened plugin is dead at once. A call in flight
// ends with *[sdk.OutcomeUnknownError] if it may have changed something, else with
// [sdk.ErrUnavailable]; so does each later one. Closing what is dead succeeds. The
// health becomes [sdk.Failed]. What p held, like locks and sockets, is released,
// and Running.Close returns once it is. That is the one difference to a process
// that was killed: p releases in good order, so a record may say that its owner
// left and a socket may say goodbye.
//
// Open after a crash opens p anew.
func Crashable(p sdk.Plugin) *Crasher { return &Crasher{p: p, open: map[*process]bool{}} }

// Crasher is the plugin that Crashable returns. Safe for concurrent use.
type Crasher struct {
	p sdk.Plugin

	mu      sync.Mutex // guards what follows
	open    map[*process]bool
	opened  int
	before  string
	after   string
	refusal error
}

// Describe returns what the wrapped plugin says.
func (c *Crasher) Describe() sdk.Info { return c.p.Describe() }

// Open opens the wrapped plugin, unless RefuseOpen says otherwise.
func (c *Crasher) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	c.mu.Lock()
	refusal := c.refusal
	c.opened++
	c.mu.Unlock()
	if refusal != nil {
		return nil, refusal
	}
	r, err := c.p.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	p := &process{c: c, inner: r, since: time.Now(), dead: make(chan struct{}), gone: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[p] = true
	return crashRunning{p}, nil
}

// Opened returns how often Open was called.
func (c *Crasher) Opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}

// Crash kills all that is open now.
func (c *Crasher) Crash() {
	c.mu.Lock()
	var all []*process
	for p := range c.open {
		all = append(all, p)
	}
	c.mu.Unlock()
	for _, p := range all {
		p.die()
	}
}

// CrashBefore kills the plugin when method, like "DB.Apply", is called next, before
// it has done anything. Only the last call of CrashBefore counts.
func (c *Crasher) CrashBefore(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = method
}

// CrashAfter kills the plugin when method is called next, after it has done its
// work and before it answers. Only the last call of CrashAfter counts.
func (c *Crasher) CrashAfter(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = method
}

// RefuseOpen makes every later Open fail with err; nil: not any more.
func (c *Crasher) RefuseOpen(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = err
}

// trips reports whether the plugin is to die in front of, or behind, method.
func (c *Crasher) trips(at *string, method string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *at != method {
		return false
	}
	*at = ""
	return true
}

// process is one opened plugin.
type process struct {
	c     *Crasher
	inner sdk.Running
	since time.Time
	dead  chan struct{} // closed by die
	gone  chan struct{} // closed when a dead one has released everything

	mu    sync.Mutex // guards what follows; calls.Add needs it, so that Wait sees all
	died  bool
	calls sync.WaitGroup // far sides of calls
	err   error          // of the inner Close after death
	seen  uint64         // the last health number given
}

// crashPatience bounds the release of what a dead plugin held.
const crashPatience = 20 * time.Second

// die makes everything dead; what was held is released behind the scenes, by a
// goroutine that Close waits for.
func (p *process) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.died {
		return
	}
	p.died = true
	close(p.dead)
	p.c.forget(p)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), crashPatience)
		defer cancel()
		p.err = p.inner.Close(ctx)
		p.calls.Wait()
		close(p.gone)
	}()
}

func (c *Crasher) forget(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, p)
}

// enter counts a call; false if the plugin is dead.
func (p *process) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.died {
		p.calls.Add(1)
	}
	return !p.died
}

var errCrashed = errors.New("the plugin's process was killed")

// broken is the error of a call that was in flight when the plugin died.
func broken(doubt bool) error {
	if doubt {
		return &sdk.OutcomeUnknownError{Cause: errCrashed}
	}
	return fmt.Errorf("%w: %w", sdk.ErrUnavailable, errCrashed)
}

// call runs one method on the far side and returns when it has answered or the
// plugin died. doubt says that it may have an effect by then.
func call[T any](p *process, method string, doubt bool, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	var none T
	if !p.enter() {
		return none, broken(false)
	}
	if p.c.trips(&p.c.before, method) {
		p.calls.Done()
		p.die()
		return none, broken(doubt)
	}
	answered := make(chan answer, 1)
	go func() {
		defer p.calls.Done()
		v, err := f()
		answered <- answer{v, err}
	}()
	select {
	case a := <-answered:
		if p.c.trips(&p.c.after, method) {
			p.die()
			return none, broken(doubt)
		}
		return a.v, a.err
	case <-p.dead:
		return none, broken(doubt)
	}
}

// do is call for a method without a result.
func do(p *process, method string, doubt bool, f func() error) error {
	_, err := call(p, method, doubt, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// end is do for a method that releases something: what is dead is released.
func end(p *process, method string, f func() error) error {
	err := do(p, method, false, f)
	if errors.Is(err, errCrashed) {
		return nil
	}
	return err
}

// crashRunning is the near side of a process.
type crashRunning struct{ p *process }

func (r crashRunning) Ports() sdk.Ports {
	if s := r.p.inner.Ports(); s != nil {
		return crashPorts{r.p, s}
	}
	return nil
}

func (r crashRunning) Lock() sdk.Lock {
	if s := r.p.inner.Lock(); s != nil {
		return crashLock{r.p, s}
	}
	return nil
}

func (r crashRunning) Store() sdk.Store {
	if s := r.p.inner.Store(); s != nil {
		return crashStore{r.p, s}
	}
	return nil
}

func (r crashRunning) Transport() sdk.Transport {
	if s := r.p.inner.Transport(); s != nil {
		return crashTransport{r.p, s}
	}
	return nil
}

func (r crashRunning) Watcher() sdk.Watcher {
	if s := r.p.inner.Watcher(); s != nil {
		return crashWatcher{r.p, s}
	}
	return nil
}

// WaitHealth passes on what the plugin says, until it is dead.
func (r crashRunning) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	p := r.p
	near, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-p.dead:
			cancel()
		case <-near.Done():
		}
	})
	h, err := p.inner.WaitHealth(near, seen)
	cancel()
	watch.Wait()
	p.mu.Lock()
	died := p.died
	if !died && err == nil {
		p.seen = max(p.seen, h.Number)
	}
	last := sdk.Health{Number: p.seen + 1, Condition: sdk.Failed, Reason: errCrashed.Error(), PID: os.Getpid()}
	p.mu.Unlock()
	switch {
	case died && seen != last.Number:
		return last, nil
	case died:
		<-ctx.Done() // nothing follows death
		return sdk.Health{}, ctx.Err()
	case err != nil:
		return sdk.Health{}, err
	}
	h.PID = os.Getpid()
	return h, nil
}

// Close closes the plugin, or waits until a dead one has released everything.
func (r crashRunning) Close(ctx context.Context) error {
	p := r.p
	if p.enter() {
		defer p.calls.Done()
		p.c.forget(p)
		return p.inner.Close(ctx)
	}
	select {
	case <-p.gone:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%w: a killed plugin still holds something: %w", sdk.ErrUnclean, ctx.Err())
	}
}
