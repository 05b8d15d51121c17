// Package kernel runs one instance of a ramet workspace.
//
// [Bootstrap] opens the plugins, walks the pipeline ports -> lock -> store ->
// transport -> watcher and returns an [Instance]. The first process of a
// workspace becomes primary, the others secondary. All of them get the same
// things: a *sql.DB that routes, a bus, a change feed and a role feed. They stay
// valid when the role changes; calls made in between wait and go on against the
// new primary.
//
// # What decides
//
// The store's owner row elects the primary, by compare-and-set; the lock is the
// fast signal that it is worth trying. Each write carries the epoch and the
// store checks it inside the write's own transaction. So a role is advisory:
// whatever an instance believes, it cannot commit under an epoch it did not win.
//
// # Threads
//
// One goroutine, run in run.go, owns the pipeline and changes the role. While
// secondary there are two more: the linker keeps a link to whoever is primary,
// the standby judges it and waits for the lock. While primary there are the
// writer queue and the renewal. Beside them each plugin has a supervisor, which
// opens it again when it failed and leaves what that means for the role to run
// (supervise.go, mend.go). Close ends them all and waits.
//
// # Concurrency
//
// Every exported method is safe for concurrent use.
package kernel
