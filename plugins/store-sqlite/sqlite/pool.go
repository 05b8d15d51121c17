package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

const (
	maxReaders  = 64 // connections for reads at once; more readers wait
	keepReaders = 8  // of which so many stay open unused
)

// pool holds the connections for reads, the one used last on top so that its
// caches stay warm.
type pool struct {
	path  string
	slots chan struct{} // what put passes to a call that waits; never full

	mu      sync.Mutex
	idle    []*conn // guarded by mu
	used    int     // connections in use, and slots on their way; guarded by mu
	waiting int     // calls that wait for a slot; guarded by mu
	closed  bool    // guarded by mu
}

func newPool(path string) *pool {
	return &pool{path: path, slots: make(chan struct{}, maxReaders)}
}

// get returns a connection outside a transaction. It blocks while all are in use.
func (p *pool) get(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.used == maxReaders {
		p.waiting++
		p.mu.Unlock()
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
		p.mu.Lock()
	} else {
		p.used++
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := connect(ctx, dsn(p.path, true))
	if err != nil {
		p.mu.Lock()
		p.leave()
		p.mu.Unlock()
		return nil, err
	}
	return c, nil
}

// wait waits for a slot of the calls that are counted in waiting.
func (p *pool) wait(ctx context.Context) error {
	select {
	case <-p.slots:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 {
		p.waiting--
	} else { // a slot is on its way and nobody else waits for it
		<-p.slots
		p.leave()
	}
	return fmt.Errorf("%w: all %d connections for reads are in use; close rows: %w", sdk.ErrUnavailable, maxReaders, ctx.Err())
}

// leave frees a slot, or passes it to a call that waits. mu is held.
func (p *pool) leave() {
	if p.waiting == 0 {
		p.used--
		return
	}
	p.waiting--
	p.slots <- struct{}{}
}

// put takes a connection back. bad: its state is not known, so close it.
func (p *pool) put(c *conn, bad bool) {
	p.mu.Lock()
	if !bad && !c.spoilt && !p.closed && len(p.idle) < keepReaders {
		p.idle = append(p.idle, c)
		p.leave()
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	_ = c.close() // nothing to save on a read-only connection
	p.mu.Lock()
	p.leave()
	p.mu.Unlock()
}

// close closes the unused connections; the others are closed when put back.
func (p *pool) close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var errs []error
	for _, c := range idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
