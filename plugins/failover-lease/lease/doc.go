// Package lease is the bundled plugin of the lock and watcher stages: an flock in
// the state directory, which the kernel of the system drops when its holder dies.
//
// # Files
//
// The state directory (0700, ours) holds
//
//   - lock: locked by the primary, and by nobody else. It is never removed: an
//     unlink at release gave two owners in most contended acquisitions. Its
//     content names whoever locked it last.
//   - record: whom to talk to. Replaced by rename, so a reader sees the old or the
//     new one.
//   - beat: a counter that the primary's Renew raises.
//
// # What it promises and what not
//
// The lock is a fast signal. Two processes can each believe that they hold it
// (somebody removed the lock file, a primary was stopped and displaced); the
// owner row of the store decides who may write, and this package never needs to be
// right for the data to be safe. It never acquires in the background: a lease
// comes into being only inside a call of Acquire or Await that returns it. So
// there is no blocking flock here, which could not be cancelled and would win
// after Close.
//
// # Who holds it
//
// Holding.Record and HeldError.Holder name one process, put together from both
// files: the one announced in the record, unless the lock file names another that
// locked it since and has not announced itself yet. That one has no endpoints
// and epoch 0.
//
// # Concurrency
//
// Everything is safe for concurrent use. No goroutine outlives a call.
package lease
