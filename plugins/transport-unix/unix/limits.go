package unix

import "time"

// limits are the bounds of one opened plugin. They are constants to users; tests
// lower them.
type limits struct {
	handshake   time.Duration // a connection must have proved itself by then
	unproved    int           // connections in handshake; beyond it the oldest is cut
	probe       time.Duration // how long Serve asks a living listener who it is
	handles     int           // running Handles of one link; beyond it calls are refused
	handleBytes int           // bodies of those Handles together; likewise
	prefixes    int           // subscriptions of one link; beyond it they are refused
	events      int           // queued events of one subscription, on either side
	eventBytes  int           // likewise, in bytes
	outBytes    int           // bytes waiting for a peer before senders wait
	stall       time.Duration // a peer that takes nothing for so long is cut
	goodbye     time.Duration // how long Close tries to get the last frames out
}

func defaultLimits() limits {
	return limits{
		handshake:   5 * time.Second,
		unproved:    64,
		probe:       25 * time.Millisecond,
		handles:     4096,
		handleBytes: 256 << 20,
		prefixes:    1024,
		events:      4096,
		eventBytes:  8 << 20,
		outBytes:    32 << 20,
		stall:       10 * time.Second,
		goodbye:     time.Second,
	}
}
