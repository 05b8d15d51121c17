package kernel

import "sync"

// Watcher is the switch of automatic failover. Never nil; off unless
// Config.Failover is set.
type Watcher struct {
	mu      sync.Mutex // guards what follows
	enabled bool
	reason  string
	changed chan struct{} // closed and replaced at each change
}

func newWatcher(on bool) *Watcher {
	return &Watcher{enabled: on, changed: make(chan struct{}), reason: "starting"}
}

// SetEnabled makes this instance stand for promotion, or not. It takes effect at
// once; a promotion under way is not undone.
func (w *Watcher) SetEnabled(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.enabled != on {
		w.enabled = on
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// touch makes those who watch the switch look again: what an enabled instance may
// do has changed.
func (w *Watcher) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Enabled reports whether this instance stands for promotion.
func (w *Watcher) Enabled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.enabled
}

// Verdict returns the last judgement of the primary, in words.
func (w *Watcher) Verdict() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

func (w *Watcher) judged(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reason = reason
}

// state returns the switch and a channel closed when it changes.
func (w *Watcher) state() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.enabled, w.changed
}
