package stream

import "time"

// backoff paces the retries of a loop, from 1 ms to 1 s.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: time.Millisecond} }

func (b *backoff) reset() { b.next = time.Millisecond }

// wait waits; false if one of the channels was closed meanwhile.
func (b *backoff) wait(stop, stop2 <-chan struct{}) bool {
	t := time.NewTimer(b.next)
	defer t.Stop()
	b.next = min(2*b.next, time.Second)
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	case <-stop2:
		return false
	}
}
