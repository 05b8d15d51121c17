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
	slots chan struct{} // one entry per connection in use

	mu     sync.Mutex
	idle   []*conn // guarded by mu
	closed bool    // guarded by mu
}

func newPool(path string) *pool {
	return &pool{path: path, slots: make(chan struct{}, maxReaders)}
}

// get returns a connection outside a transaction. It blocks while all are in use.
func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: all %d connections for reads are in use; close rows: %w", sdk.ErrUnavailable, maxReaders, ctx.Err())
		}
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := connect(ctx, dsn(p.path, true))
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// put takes a connection back. bad: its state is not known, so close it.
func (p *pool) put(c *conn, bad bool) {
	p.mu.Lock()
	keep := !bad && !c.spoilt && !p.closed && len(p.idle) < keepReaders
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		_ = c.close() // nothing to save on a read-only connection
	}
	<-p.slots
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
