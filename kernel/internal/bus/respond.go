package bus

import (
	"context"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// Handler answers calls of one method.
type Handler func(ctx context.Context, body []byte) ([]byte, error)

// Handle answers calls of method until stop is called.
func (b *Bus) Handle(method string, h Handler) (stop func(), err error) {
	if method == "" || len(method) > maxTopic || h == nil {
		return nil, fmt.Errorf("%w: a method has a name of 1 to %d bytes and a handler", sdk.ErrInvalid, maxTopic)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	}
	if b.handlers[method] != nil {
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: this instance already handles %q", sdk.ErrInvalid, method)
	}
	b.handlers[method] = h
	b.mu.Unlock()
	b.announce(b.life)
	var once sync.Once
	return func() {
		once.Do(func() {
			b.mu.Lock()
			delete(b.handlers, method)
			b.mu.Unlock()
			b.announce(b.life)
		})
	}, nil
}

// announce tells the primary which methods we handle. An error is not the
// caller's business: respond announces again on the next link.
func (b *Bus) announce(ctx context.Context) {
	b.mu.Lock()
	link := b.link
	var methods []string
	for m := range b.handlers {
		methods = append(methods, m)
	}
	b.mu.Unlock()
	if link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, _ = link.Call(ctx, sdk.Message{Op: "bus.handle", Timeout: b.timeout, Body: appendMethods(nil, methods)})
}

// dispatch is the primary's side of a call: its own handler first, which saves a
// round trip, else the next instance's.
func (b *Bus) dispatch(ctx context.Context, method string, body []byte) ([]byte, error) {
	b.mu.Lock()
	h := b.handlers[method]
	b.mu.Unlock()
	if h == nil {
		return b.calls.ask(ctx, job{method: method, body: body})
	}
	return b.run(ctx, method, h, body)
}

// run calls the handler but does not wait for one that ignores ctx.
func (b *Bus) run(ctx context.Context, method string, h Handler, body []byte) ([]byte, error) {
	done := make(chan answer, 1)
	b.mu.Lock()
	if b.closed { // Close waits, so nothing may begin
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	}
	b.work.Go(func() {
		reply, err := h(ctx, body)
		done <- answer{reply, asReply(method, err)}
	})
	b.mu.Unlock()
	select {
	case a := <-done:
		return a.body, a.err
	case <-ctx.Done():
		return nil, &sdk.OutcomeUnknownError{Cause: fmt.Errorf("%s: %w", method, ctx.Err())}
	}
}

// respond pulls calls from each primary in turn, for the life of the bus.
func (b *Bus) respond() {
	var after uint64
	for {
		t, err := b.route.Await(b.life, after)
		if err != nil {
			return
		}
		after = t.Generation
		if t.Link == nil {
			continue
		}
		b.mu.Lock()
		b.link = t.Link
		b.mu.Unlock()
		b.announce(b.life)
		b.pull(t.Link)
		b.mu.Lock()
		b.link = nil
		b.mu.Unlock()
	}
}

// pull serves one link until it is gone.
func (b *Bus) pull(link sdk.Link) {
	ctx, cancel := context.WithCancel(b.life)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()    // before waiting: the link is gone, so nobody wants the answers
	var ends sync.Map // of the running calls: id to context.CancelFunc
	for {
		body, err := link.Call(ctx, sdk.Message{Op: "bus.next"})
		if err != nil {
			return
		}
		j, err := decodeJob(body)
		if err != nil {
			return
		}
		if j.cancel {
			if end, ok := ends.Load(j.id); ok {
				end.(context.CancelFunc)()
			}
			continue
		}
		run, end := context.WithTimeout(ctx, j.budget)
		ends.Store(j.id, end)
		running.Go(func() {
			defer end()
			defer ends.Delete(j.id)
			b.answer(ctx, run, link, j)
		})
	}
}

// answer runs the handler under run and sends its answer while ctx lasts.
func (b *Bus) answer(ctx, run context.Context, link sdk.Link, j job) {
	b.mu.Lock()
	h := b.handlers[j.method]
	b.mu.Unlock()
	var a answer
	if h == nil {
		a.err = fmt.Errorf("%w: unknown method %q: its handler was just removed", sdk.ErrUnsupported, j.method)
	} else {
		reply, err := h(run, j.body)
		a = answer{reply, asReply(j.method, err)}
		if a.err == nil && len(a.body) > sdk.MaxMessageBytes-1024 {
			a = answer{err: fmt.Errorf("%w: reply of %d bytes; at most %d", sdk.ErrInvalid, len(reply), sdk.MaxMessageBytes-1024)}
		}
	}
	// If this fails the link is gone and the primary has ended the call as unknown.
	_, _ = link.Call(ctx, sdk.Message{Op: "bus.reply", Body: appendAnswer(nil, j.id, a)})
}
