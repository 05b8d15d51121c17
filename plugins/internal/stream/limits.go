package stream

import "time"

// Limits are the bounds of one opened plugin. They are constants to users; tests
// lower them.
type Limits struct {
	Handshake   time.Duration // a connection must have proved itself by then
	Unproved    int           // connections in handshake; beyond it the oldest is cut
	Probe       time.Duration // how long Serve asks a living listener who it is
	Handles     int           // running Handles of one link; beyond it calls are refused
	HandleBytes int           // bodies of those Handles together; likewise
	Prefixes    int           // subscriptions of one link; beyond it they are refused
	Events      int           // queued events of one subscription, on either side
	EventBytes  int           // likewise, in bytes
	Resend      int           // events a server keeps for subscribers that come back; 0: none
	ResendBytes int           // likewise, in bytes
	OutBytes    int           // bytes waiting for a peer before senders wait
	Stall       time.Duration // a peer that takes nothing for so long is cut
	Goodbye     time.Duration // how long Close tries to get the last frames out
}

// DefaultLimits returns what users get. Nothing is kept for resending.
func DefaultLimits() Limits {
	return Limits{
		Handshake:   5 * time.Second,
		Unproved:    64,
		Probe:       25 * time.Millisecond,
		Handles:     4096,
		HandleBytes: 256 << 20,
		Prefixes:    1024,
		Events:      4096,
		EventBytes:  8 << 20,
		OutBytes:    32 << 20,
		Stall:       10 * time.Second,
		Goodbye:     time.Second,
	}
}
