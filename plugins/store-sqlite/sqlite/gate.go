package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// gate counts the calls that run and lets none in once it is shut. The zero
// value is open.
type gate struct {
	mu    sync.Mutex
	calls int
	shut  bool
	empty chan struct{} // made when shut with calls inside; closed by the last one
}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return errClosed()
	}
	g.calls++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	g.calls--
	if g.calls == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
	g.mu.Unlock()
}

// close lets nobody in any more and waits for those inside.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	g.shut = true
	if g.calls == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: calls to the database still run: %w", sdk.ErrUnclean, ctx.Err())
	}
}

func errClosed() error {
	return fmt.Errorf("%w: this handle of the database was closed", sdk.ErrClosed)
}
