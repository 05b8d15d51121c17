package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// hints tell change feeds that something was committed. They carry nothing that
// matters: a lost one only delays a feed until the next look.
type hints struct {
	pending chan struct{} // holds one: a commit to announce

	mu      sync.Mutex // guards what follows
	users   int
	watcher *work
	changed chan struct{} // closed and replaced at each hint
}

func newHints() *hints {
	return &hints{pending: make(chan struct{}, 1), changed: make(chan struct{})}
}

// committed is called by the writer after each commit.
func (h *hints) committed(sdk.Position) {
	select {
	case h.pending <- struct{}{}:
	default:
	}
}

func (h *hints) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *hints) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// announceCommits passes commits on to the feeds of all instances, for the life of
// this one. Several commits may share a hint.
func (i *Instance) announceCommits(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-i.hints.pending:
			if err := i.bus.Announce(ctx, topicCommit, nil); err != nil {
				i.log.Debug("announce a commit", "err", err)
			}
		}
	}
}

// useHints listens for hints while at least one feed is open.
func (i *Instance) useHints(delta int) {
	h := i.hints
	h.mu.Lock()
	h.users += delta
	var stop *work
	switch {
	case h.users == 1 && h.watcher == nil:
		h.watcher = start(i.followHints)
	case h.users == 0:
		stop, h.watcher = h.watcher, nil
	}
	h.mu.Unlock()
	stop.stop()
}

func (i *Instance) followHints(ctx context.Context) {
	sub, err := i.bus.Watch(ctx, topicCommit)
	if err != nil {
		return
	}
	defer sub.Close()
	for {
		if _, err := sub.Next(ctx); err != nil {
			return
		}
		i.hints.wake()
	}
}

// lookEvery is how often a feed looks without a hint.
const lookEvery = 200 * time.Millisecond

// ChangeFeed yields committed changes in commit order, each once, also across
// failovers. One goroutine at a time; close it.
type ChangeFeed struct {
	i    *Instance
	feed sdk.Feed
	have []sdk.Change
	once sync.Once
}

// Changes opens the change feed after position from; the zero position is the
// oldest change kept. The feed reads this process's own copy of the log, on any
// role. sdk.ErrUnsupported with Config.NoChangeLog or a store without a log.
func (i *Instance) Changes(ctx context.Context, from sdk.Position) (*ChangeFeed, error) {
	if i.cfg.NoChangeLog {
		return nil, fmt.Errorf("%w: Config.NoChangeLog is set", sdk.ErrUnsupported)
	}
	if i.life.Err() != nil {
		return nil, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	}
	feed, err := i.reader.Changes(ctx, from)
	if err != nil {
		return nil, i.parts.at(sdk.StageStore, "changes", err)
	}
	i.useHints(1)
	return &ChangeFeed{i: i, feed: feed}, nil
}

// Next blocks for the next change, until ctx ends or the instance or the feed is
// closed (sdk.ErrClosed). A change with sdk.OpGap stands for changes that are no
// longer kept: read the tables anew and go on.
func (f *ChangeFeed) Next(ctx context.Context) (sdk.Change, error) {
	for len(f.have) == 0 {
		hint := f.i.hints.next()
		var err error
		f.have, err = f.feed.Next(ctx)
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			return sdk.Change{}, err
		}
		timer := time.NewTimer(lookEvery)
		select {
		case <-hint:
		case <-timer.C:
		case <-ctx.Done():
		case <-f.i.life.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return sdk.Change{}, ctx.Err()
		}
		if f.i.life.Err() != nil {
			return sdk.Change{}, fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
		}
	}
	c := f.have[0]
	f.have = f.have[1:]
	return c, nil
}

// Close ends the feed. Idempotent.
func (f *ChangeFeed) Close() error {
	err := f.feed.Close()
	f.once.Do(func() { f.i.useHints(-1) })
	return err
}
