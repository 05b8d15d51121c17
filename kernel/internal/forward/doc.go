// Package forward brings writes from any instance to the primary and commits
// them there, each exactly once.
//
// On the primary a [Writer] owns the store's one queue of writers. One goroutine at
// a time is inside the store: it takes what waits, in order, and commits it;
// neighbouring requests share one call of [sdk.DB.Apply] and so, with most stores,
// one fsync. While that call runs the next group gathers; nothing ever waits to be
// gathered, so an idle queue adds no latency: a request that finds it idle is
// committed in its caller's goroutine. An interactive transaction holds the queue from Begin to
// its end, which is why it has limits.
//
// On every instance a [Client] finds the primary through a [Route] and sends. It
// draws one write id per logical write and keeps it for every retry; the store
// records the id in the write's own transaction and answers a retry from that
// record. (The idea is that of RIFL: Lee and others, "Implementing
// Linearizability at Large Scale and Low Latency", SOSP 2015.) The client's floor
// tells the store which records nobody will ask for any more.
//
// # What a caller learns
//
// A write ends in one of three ways. Applied: a result. Not applied: the
// database's own error, or an error whose comment in package sdk says so. Unknown:
// *[sdk.OutcomeUnknownError] with the write's id. Unknown is returned only when
// the deadline came while an attempt could have been executed, never because a
// retry was too hard to reason about.
//
// # Concurrency
//
// Writer and Client are safe for concurrent use. The Writer owns one goroutine,
// which Close ends. The Client owns goroutines only for rolling back a
// transaction whose caller gave up; each lasts a second at most.
package forward
