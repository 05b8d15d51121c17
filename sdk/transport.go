package sdk

import (
	"context"
	"time"
)

// Transport carries bytes between the primary and the secondaries. It knows
// nothing of SQL or of the bus. Safe for concurrent use.
type Transport interface {
	// Serve binds one set of endpoints and answers until Close. If the set is
	// taken by a living server it returns *[HeldError]; a leftover of a dead one is
	// replaced. On return the server accepts links.
	Serve(ctx context.Context, s Scope, at []Endpoint, h Handler) (Server, error)
	// Dial connects to a server and proves both sides to each other: the same
	// protocol version, workspace and, if s.Epoch is not 0, an epoch not below it.
	// It returns within ctx's deadline whatever the peer does. [ErrUnavailable]: nobody
	// answers there. [ErrIncompatible]: another protocol. [ErrInvalid]: another
	// workspace or a peer of another user. [ErrFenced]: the server's epoch is lower than
	// s.Epoch, so it is an old primary.
	Dial(ctx context.Context, s Scope, to []Endpoint) (Link, error)
}

// Scope says who one side is.
type Scope struct {
	Workspace   string // UUID
	Epoch       uint64 // server: the epoch it serves; client: the lowest it accepts
	Instance    string // label
	Incarnation string // unique
	PID         int
	Role        Role
	Secret      []byte // of the workspace, for transports with [CapSecret]; may be nil for others
	Fingerprint string // of what both sides must have in common; compared by the kernel
}

// Peer is the other side as the transport verified it.
type Peer struct {
	Session string // unique for the life of the server
	Scope   Scope  // as the peer claimed it, without Secret
	UID     int    // verified by the system; -1: unknown
	PID     int    // verified by the system; 0: unknown
}

// Message is a call.
type Message struct {
	Op      string        // at most 64 bytes
	Epoch   uint64        // the sender's
	Timeout time.Duration // what is left of the caller's deadline; 0: none
	Body    []byte        // at most MaxMessageBytes
}

// Event is something published, or, with Notice, word of events that were lost.
type Event struct {
	Topic string // at most 256 bytes
	Epoch uint64
	From  string // incarnation of the publisher
	Body  []byte // at most MaxMessageBytes
	Lost  uint64 // events of this subscription lost just before this one
	// Notice: nothing was published; only Lost means something. It comes when
	// everything that was queued has been read and the events after it were lost. Set
	// by the transport: a publisher's is ignored.
	Notice bool
}

// MaxMessageBytes is the largest body of a message, reply or event. A larger one
// is refused with [ErrInvalid] before it is sent and before memory is set aside for it.
const MaxMessageBytes = 16 << 20

// Handler is the kernel's side of a server: the only calls from a plugin to the
// kernel. All methods may be called from many goroutines.
type Handler interface {
	// Handle answers a call. ctx ends at the message's deadline, when the caller
	// gives up or its session ends. A slow Handle delays no other call.
	Handle(ctx context.Context, from Peer, m Message) ([]byte, error)
	// Published is told of an event from a link, in the link's order. It must not
	// block; the transport holds back that one link meanwhile.
	Published(ctx context.Context, from Peer, e Event)
	// Ended is called once when a session is over, after its last Handle was
	// cancelled.
	Ended(from Peer)
}

// Server serves one epoch of a workspace.
type Server interface {
	// Bound returns the endpoints really bound. No I/O.
	Bound() []Endpoint
	// Publish sends an event to every link whose subscriptions match. It never
	// waits for a subscriber: each has a bounded queue, and a full one drops the
	// event and counts it in the next one's Lost, or in a Notice if none follows. Events
	// of one server reach a subscriber in the order of the Publish calls.
	Publish(ctx context.Context, e Event) error
	// Close says goodbye to the links (so Link.Wait returns nil there), stops
	// accepting, cancels running Handles and waits for them. It removes an endpoint
	// only if it is still ours. Idempotent.
	Close(ctx context.Context) error
}

// Link is a connection to a server. It is not reopened: when it is gone, dial
// again.
type Link interface {
	// Server returns the server as it identified itself. No I/O.
	Server() Peer
	// Call sends m and waits for the answer. [ErrUnavailable] if it was certainly not
	// executed; *[OutcomeUnknownError] if the link broke or ctx ended after it was
	// sent. Errors of the handler come back with their type. Many calls run at once;
	// none waits for another.
	Call(ctx context.Context, m Message) ([]byte, error)
	// Publish hands e to the server's Handler.Published. It returns when the event is
	// queued for sending, not when it arrived; it blocks while the queue is full.
	Publish(ctx context.Context, e Event) error
	// Subscribe asks for events whose topic starts with prefix ("" for all). When it
	// returned, every event published from then on is delivered or counted as lost, for
	// as long as the link lives.
	Subscribe(ctx context.Context, prefix string) (Subscription, error)
	// Wait blocks until the link is gone or ctx ends: nil after a goodbye,
	// [ErrUnavailable] with the reason after a break, ctx's error otherwise.
	Wait(ctx context.Context) error
	// Close ends the link; calls in flight fail as unknown. Idempotent.
	Close(ctx context.Context) error
}

// Subscription is one prefix on one link.
type Subscription interface {
	// Next blocks for the next event, or for the notice of lost ones (Event.Notice).
	// [ErrClosed] after Close, [ErrUnavailable] when the link is gone and what had
	// arrived was read. One goroutine at a time.
	Next(ctx context.Context) (Event, error)
	// Close ends the subscription; a blocked Next returns. Idempotent.
	Close() error
}
