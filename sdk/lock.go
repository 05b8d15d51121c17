package sdk

import (
	"context"
	"time"
)

// Lock elects candidates. It is the fast signal; the store's owner row decides
// (see [DB.Advance]). Safe for concurrent use.
type Lock interface {
	// Acquire tries once and returns at once. A lock held by another gives
	// *[HeldError] with whatever is known of the holder, even when its record
	// cannot be read: held is held. Any other error means the lock itself does not
	// work; [ErrInvalid] means that this place can never work.
	//
	// With c.Takeover it may return a lease that does not hold the lock
	// (Terms.Takeover): the holder was found lost by the watcher, and the caller
	// goes on to [DB.Advance], which admits one. It returns *HeldError if the record
	// no longer names c.Displaces.
	Acquire(ctx context.Context, c Claim) (Lease, error)
	// Await blocks until the lock is ours or ctx ends. It tries at once, so to
	// make it try again (the holder said goodbye, a link broke) cancel it and call
	// it again. It returns within 10 ms of cancellation, and from then on can never
	// acquire. It returns a takeover lease when the record names a primary by
	// takeover that is known to be dead.
	Await(ctx context.Context, c Claim) (Lease, error)
	// Inspect reports what is known and changes nothing, not even a file's time.
	// A workspace that was never used gives a zero Holding and no error.
	Inspect(ctx context.Context) (Holding, error)
	// Changed blocks until the record announced last differs from seen in its
	// incarnation, epoch, Left or Takeover, and returns what Inspect then says; at once
	// if it differs already. It is how a secondary hears of a new primary, so every
	// millisecond of delay is one without writes; the first 20 ms of a call count most.
	// It changes nothing. When ctx or the plugin ends first it returns their error.
	Changed(ctx context.Context, seen Record) (Holding, error)
	// Alive reports whether the process that r describes exists. Stopped is alive.
	Alive(ctx context.Context, r Record) (Liveness, error)
}

// Claim is a request for the lock.
type Claim struct {
	Record      Record        // who asks; Endpoints may still be empty
	ResourceKey string        // what the lock protects, from Store.ResourceKey
	TTL         time.Duration // 0: the plugin's default; below its minimum: ErrInvalid
	Linked      bool          // a link to the primary is up, so Await need not poll fast
	Takeover    bool          // Acquire only: go on without the lock
	Displaces   Record        // with Takeover: the primary that was found lost
}

// Lease is the right to stand for primary. It dies with the process that holds
// it and with its plugin.
type Lease interface {
	// Terms returns what was granted. It does no I/O.
	Terms() Terms
	// Announce replaces the record that others read. It is atomic: a reader sees
	// the old or the new one. It returns [ErrFenced] if a record of a higher epoch is
	// there; nothing is written then.
	Announce(ctx context.Context, r Record) error
	// Renew shows that the holder still runs. The kernel calls it every TTL/5, the
	// plugin never by itself: a stopped kernel must show. It returns nil (held),
	// [ErrFenced] (lost: stop writing) or [ErrUnavailable] (unknown, which is not lost).
	Renew(ctx context.Context) error
	// Release gives the lock back. Idempotent. Call it only when nothing writes any
	// more. The record stays, marked as left, so that others need not wait for it.
	Release(ctx context.Context) error
}

// Terms is what a lease grants.
type Terms struct {
	AtLeast       uint64        // a lower bound for the epoch, if the engine issues epochs; else 0
	Epoch         uint64        // the highest epoch seen in a record; 0: none
	Lineage       string        // of that record
	Takeover      bool          // the lock itself is not held
	TTL           time.Duration // after this long without Renew the holder may be displaced
	MinTTL        time.Duration // the smallest TTL the engine can keep
	FailoverBound time.Duration // how long the engine's own failover can take; 0: it has none
	StartTime     uint64        // of the claim's process, as in Record; 0: the plugin cannot tell
}

// Record describes an instance to the others.
type Record struct {
	Instance    string     // label chosen by the application; not unique
	Incarnation string     // 32 hex digits drawn at Bootstrap; unique
	PID         int        // process id; 0: unknown
	StartTime   uint64     // with PID identifies a process; filled by the lock plugin, opaque
	Program     string     // executable's base name
	Version     string     // of that program, as it says
	Epoch       uint64     // 0 until won
	Lineage     string     // of the store
	Workspace   string     // workspace UUID
	Endpoints   []Endpoint // what was really bound; empty until served
	SinceUnix   int64      // when the epoch was won, for people, in seconds
	Takeover    bool       // serves without holding the lock
	Left        bool       // released; nobody serves
}

// Holding is what Inspect knows.
type Holding struct {
	Record    Record // whom to reckon with: the primary, or who took the lock since; zero: nobody ever
	Announced Record // the last one announced, also if it left or died; zero: none ever
	Held      bool   // a living process holds the lock, as far as can be told without touching it
	Beat      uint64 // counter that Renew raises; a change is a sign of life
}

// Liveness is an answer that may be unknown.
type Liveness uint8

// The answers.
const (
	LivenessUnknown Liveness = iota // another machine, or no right to look
	Alive                           // it exists, though it may be stopped
	Dead                            // it exists no more
)
