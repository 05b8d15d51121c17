package stream

import (
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// kept is an event as the server numbers it.
type kept struct {
	number uint64
	topic  string
	tail   []byte // see encodeEvent
	lost   uint64
}

// recent is the window of events that a subscriber who comes back can ask for again.
// Its zero value is empty.
type recent struct {
	last   uint64 // number of the last event; they start at 1
	events []kept // the newest, without a hole
	bytes  int
}

// add numbers e, keeps it within the limits and returns it.
func (r *recent) add(e kept, l Limits) kept {
	r.last++
	e.number = r.last
	r.events = append(r.events, e)
	r.bytes += len(e.tail)
	for len(r.events) > l.Resend || r.bytes > l.ResendBytes {
		r.bytes -= len(r.events[0].tail)
		r.events[0] = kept{} // let the bytes go
		r.events = r.events[1:]
		if len(r.events) == 0 {
			break
		}
	}
	return e
}

// since returns the events after number after, and how many of those, of whatever
// topic, are no longer kept. 0 means from now on.
func (r *recent) since(after uint64) (missed []kept, lost uint64, err error) {
	switch {
	case after == 0:
		return nil, 0, nil
	case after > r.last:
		return nil, 0, fmt.Errorf("%w: event %d has not been published, the last is %d; it was another server's",
			sdk.ErrInvalid, after, r.last)
	}
	floor := r.last - uint64(len(r.events)) // the newest number not kept
	if after < floor {
		return r.events, floor - after, nil
	}
	return r.events[after-floor:], 0, nil
}
