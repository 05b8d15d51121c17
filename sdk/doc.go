// Package sdk is the contract between the ramet kernel and its plugins.
//
// A ramet program runs as several processes over one workspace directory. The
// kernel starts five stages in order, ports -> lock -> store -> transport ->
// watcher, and walks them back in reverse. A [Plugin] implements one or more
// stages. This package holds the stage interfaces, the values they exchange,
// the closed set of errors and nothing else: it imports the standard library
// and hclog only.
//
// # Words
//
// A workspace is a directory. An instance is one process that bootstrapped. The
// primary is the instance whose epoch the store accepts; the others are
// secondary. The epoch is a fencing number: every write carries it and the store
// refuses a lower one inside the write's own transaction. (See Kleppmann, "How
// to do distributed locking", 2016, for why the resource must check.) A write id
// names one logical write for as long as it is retried. A position is a point in
// the change feed.
//
// # Rules for every contract
//
//   - A context bounds the call, never the life of what the call returned.
//   - Every argument and result is plain data, or an object that is an id plus
//     methods (Lease, DB, Tx, Rows, Feed, Server, Link). Nothing here needs shared
//     memory, so a plugin may be linked in or be a program of its own, and the
//     kernel cannot tell which. [Handler] is the only call towards the kernel.
//   - Times across the boundary are durations, never points in time of one clock.
//   - Errors belong to the closed set of errors.go. What may be done about each is
//     in its comment.
//   - Optional behaviour is declared in [Info] as a [Capability]; it is never
//     discovered by a type assertion. An undeclared method returns [ErrUnsupported].
//   - Slices passed in belong to the caller again when the call returns; slices
//     returned belong to the caller.
//
// # Concurrency
//
// The kernel starts and stops the stages of one plugin from one goroutine at a
// time. Unless a method says otherwise, everything else in this package may be
// called from many goroutines at once, except [Rows], [Feed] and [Tx], which are
// used by one goroutine at a time. Close and Release are idempotent.
package sdk
