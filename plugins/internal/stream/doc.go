// Package stream is a transport over any connection that keeps the order of what is
// sent: calls, events, subscriptions and their end, as [sdk.Transport] promises them.
// What transports differ in they bring themselves: how to listen and connect, how the
// two sides prove who they are, and a [Codec] that puts frames onto the connection.
//
// # What is bounded
//
// See [Limits]. A peer that stays silent, sends garbage or does not read loses its own
// connection after a bound and never delays another one. Events for a slow subscriber
// are dropped and counted, calls wait for room, and a call beyond the number one link
// may have running is refused as not executed. What was refused or dropped is counted
// (see [Host]) and logged, a flood of it in a few lines.
//
// # Goroutines
//
// A link has two: one reads, one goes on with writes that did not fit into the
// socket at once. A session of a server has the same two, one more once it has
// subscribed, and one for each running Handle. Close ends and awaits all of them.
package stream
