package kernel

import (
	"context"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// RoleChange is one entry of the role feed.
type RoleChange struct {
	Role    sdk.Role   // "" while between roles and after Close
	Primary sdk.Record // who is primary; zero if nobody is known
	Reason  string
	At      time.Time
}

const roleFeedDepth = 16

// roleFeed holds the present role and tells subscribers of changes.
type roleFeed struct {
	mu     sync.Mutex // guards what follows
	now    RoleChange
	began  time.Time // of the present role
	subs   map[chan RoleChange]func() bool
	closed bool
}

func newRoleFeed() *roleFeed { return &roleFeed{subs: map[chan RoleChange]func() bool{}} }

func (f *roleFeed) current() RoleChange {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// since returns when the present role began.
func (f *roleFeed) since() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began
}

// set publishes c unless nothing but the reason differs.
func (f *roleFeed) set(c RoleChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || c.Role == f.now.Role && c.Primary.Epoch == f.now.Primary.Epoch &&
		c.Primary.Incarnation == f.now.Primary.Incarnation {
		return
	}
	c.At = time.Now()
	if c.Role != f.now.Role {
		f.began = c.At
	}
	f.now = c
	for ch := range f.subs {
		push(ch, c)
	}
}

// push sends without blocking; a full channel loses its oldest entry.
func push(ch chan RoleChange, c RoleChange) {
	for {
		select {
		case ch <- c:
			return
		default:
		}
		select {
		case <-ch:
		default:
		}
	}
}

func (f *roleFeed) subscribe(ctx context.Context) <-chan RoleChange {
	ch := make(chan RoleChange, roleFeedDepth)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		close(ch)
		return ch
	}
	ch <- f.now
	f.subs[ch] = context.AfterFunc(ctx, func() { f.drop(ch) })
	return ch
}

func (f *roleFeed) drop(ch chan RoleChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subs[ch]; ok {
		delete(f.subs, ch)
		close(ch)
	}
}

// close tells the subscribers that the role ended and closes their channels.
func (f *roleFeed) close(reason string) {
	f.set(RoleChange{Reason: reason})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for ch, stop := range f.subs {
		stop()
		close(ch)
	}
	clear(f.subs)
}
