package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// pipe is what both sides of a proved connection have in common: an outbox, a
// reader and one end.
type pipe struct {
	host  *Host
	conn  Conn
	codec Codec
	out   *outbox
	done  chan struct{}   // closed by cut
	ctx   context.Context // cancelled by cut
	stop  context.CancelFunc

	once sync.Once
	why  error // why it ended; set before done is closed

	wg sync.WaitGroup // the goroutines of this connection
}

func newPipe(h *Host, c Conn, codec Codec) (*pipe, error) {
	p := &pipe{host: h, conn: c, codec: codec, done: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	out, err := newOutbox(c, codec, h.Limits, func(err error) { p.cut(explain(err)) })
	if err != nil {
		p.stop()
		return nil, err
	}
	p.out = out
	return p, nil
}

// start runs read and the outbox until the pipe is cut.
func (p *pipe) start(read func()) {
	p.codec.Start(p.sendRaw)
	p.wg.Go(func() { p.out.run(p.done) })
	p.wg.Go(read)
}

// cut ends the pipe; the first reason counts.
func (p *pipe) cut(why error) {
	p.once.Do(func() {
		p.why = why
		close(p.done)
		p.stop()
		p.out.stop(why)
		_ = p.conn.Close()
	})
}

// post sends a small frame without waiting for room. A peer that makes us post
// more and more and reads nothing is cut.
func (p *pipe) post(kind byte, id uint64, payload []byte) {
	p.push(func() { p.out.appendLocked(kind, id, payload, nil) })
}

// sendRaw sends bytes between two frames, as post does.
func (p *pipe) sendRaw(b []byte) {
	p.push(func() { p.out.pending = append(p.out.pending, b...) })
}

func (p *pipe) push(add func()) {
	if p.out.begin(context.Background(), math.MaxInt) != nil { // no limit, so it never waits
		return // the pipe has ended, and its reader tells
	}
	if p.out.backlogLocked() > 2*p.out.limit+sdk.MaxMessageBytes {
		p.out.mu.Unlock()
		p.cut(errStalled)
		return
	}
	add()
	p.out.commit(false)
}

// await waits for the goroutines of the pipe, after cut.
func (p *pipe) await(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the goroutines it waits for, which cut has told to
		p.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a connection's goroutines still run: %w", sdk.ErrUnclean, ctx.Err())
	}
}

var errStalled = fmt.Errorf("%w: the peer reads nothing", sdk.ErrUnavailable)

// explain says what a failed read or write means.
func explain(err error) error {
	switch {
	case sdk.CodeOf(err) == sdk.CodeOf(sdk.ErrUnavailable):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the peer is gone", sdk.ErrUnavailable)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errStalled
	}
	return fmt.Errorf("%w: %v", sdk.ErrUnavailable, err)
}
