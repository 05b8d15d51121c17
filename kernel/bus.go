package kernel

import (
	"context"

	"github.com/ramet-io/ramet/kernel/internal/bus"
)

// Bus carries the application's messages between the instances of a workspace,
// the same on either role. Messages are best-effort: a lost one is reported,
// never silent. It survives role changes.
type Bus struct{ b *bus.Bus }

// Event is a published message as a subscriber gets it, or, with Notice set, word
// of messages that were lost.
type Event = bus.Event

// Handler answers calls of one method. ctx ends at the caller's deadline or when
// the caller gives up. An error of the closed set of package sdk keeps its kind
// on the way back; any other arrives as *sdk.CallError.
type Handler = bus.Handler

// Subscription is one topic prefix. One goroutine at a time calls Next.
type Subscription = bus.Subscription

// Publish sends body to every subscriber of topic in every instance, this one
// too. It returns nil when the primary took it. It waits while there is no
// primary, until ctx or Config.CallTimeout ends: sdk.ErrUnavailable if it was not
// sent, sdk.ErrOutcomeUnknown if it may have been. Topics are at most 250 bytes.
func (b *Bus) Publish(ctx context.Context, topic string, body []byte) error {
	return b.b.Publish(ctx, topic, body)
}

// Subscribe asks for messages whose topic starts with prefix ("" for all). When
// it returned, every message published from then on is delivered or counted in
// Event.Lost. The queue holds 4096 messages; when full, new ones are dropped and
// counted. After a change of primary the first event has Gap set, because what was
// published meanwhile cannot be counted. Lost and Gap come with the next message, or
// in an event with Notice set, and no message, when the queue was read and none came.
func (b *Bus) Subscribe(ctx context.Context, prefix string) (*Subscription, error) {
	return b.b.Subscribe(ctx, prefix)
}

// Handle answers calls of method until the returned function is called.
// sdk.ErrInvalid if this instance already handles it. Several instances may
// handle one method; each call goes to one of them.
func (b *Bus) Handle(method string, h Handler) (stop func(), err error) {
	return b.b.Handle(method, h)
}

// Call asks whichever instance handles method. The kinds of failure are distinct:
// sdk.ErrUnsupported (no instance handles it), sdk.ErrUnavailable (its instance
// left before it took the call, or there is no primary: not executed),
// sdk.ErrOutcomeUnknown with context.DeadlineExceeded inside (timeout), and the
// handler's own error.
func (b *Bus) Call(ctx context.Context, method string, body []byte) ([]byte, error) {
	return b.b.Call(ctx, method, body)
}
