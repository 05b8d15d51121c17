package remote

import "fmt"

// op names a method of package sdk. The numbers are those of frame.proto and are
// never reused; a test compares them.
type op uint32

const (
	opDrop op = 1

	opPortsCandidates op = 10

	opLockAcquire op = 20
	opLockAwait   op = 21
	opLockInspect op = 22
	opLockAlive   op = 23
	opLockChanged op = 24

	opLeaseAnnounce op = 30
	opLeaseRenew    op = 31
	opLeaseRelease  op = 32

	opStoreResourceKey op = 40
	opStoreOpen        op = 41

	opDBStatus    op = 50
	opDBAdvance   op = 51
	opDBSetSchema op = 52
	opDBApply     op = 53
	opDBOutcome   op = 54
	opDBBegin     op = 55
	opDBPrepare   op = 56
	opDBQuery     op = 57
	opDBChanges   op = 58
	opDBSnapshot  op = 59
	opDBClose     op = 60

	opTxExec     op = 70
	opTxQuery    op = 71
	opTxCommit   op = 72
	opTxRollback op = 73

	opRowsNext  op = 80
	opRowsClose op = 81
	opFeedNext  op = 82
	opFeedClose op = 83

	opTransportServe op = 90
	opTransportDial  op = 91

	opServerPublish op = 100
	opServerClose   op = 101

	opLinkCall      op = 110
	opLinkPublish   op = 111
	opLinkSubscribe op = 112
	opLinkWait      op = 113
	opLinkClose     op = 114

	opSubscriptionNext  op = 120
	opSubscriptionClose op = 121

	opWatcherJudge op = 130

	opHandlerHandle    op = 140
	opHandlerPublished op = 141
	opHandlerEnded     op = 142
)

var opNames = map[op]string{
	opDrop:            "object.Drop",
	opPortsCandidates: "Ports.Candidates",
	opLockAcquire:     "Lock.Acquire", opLockAwait: "Lock.Await", opLockInspect: "Lock.Inspect", opLockAlive: "Lock.Alive",
	opLockChanged:   "Lock.Changed",
	opLeaseAnnounce: "Lease.Announce", opLeaseRenew: "Lease.Renew", opLeaseRelease: "Lease.Release",
	opStoreResourceKey: "Store.ResourceKey", opStoreOpen: "Store.Open",
	opDBStatus: "DB.Status", opDBAdvance: "DB.Advance", opDBSetSchema: "DB.SetSchema", opDBApply: "DB.Apply",
	opDBOutcome: "DB.Outcome", opDBBegin: "DB.Begin", opDBPrepare: "DB.Prepare", opDBQuery: "DB.Query",
	opDBChanges: "DB.Changes", opDBSnapshot: "DB.Snapshot", opDBClose: "DB.Close",
	opTxExec: "Tx.Exec", opTxQuery: "Tx.Query", opTxCommit: "Tx.Commit", opTxRollback: "Tx.Rollback",
	opRowsNext: "Rows.Next", opRowsClose: "Rows.Close", opFeedNext: "Feed.Next", opFeedClose: "Feed.Close",
	opTransportServe: "Transport.Serve", opTransportDial: "Transport.Dial",
	opServerPublish: "Server.Publish", opServerClose: "Server.Close",
	opLinkCall: "Link.Call", opLinkPublish: "Link.Publish", opLinkSubscribe: "Link.Subscribe", opLinkWait: "Link.Wait",
	opLinkClose: "Link.Close", opSubscriptionNext: "Subscription.Next", opSubscriptionClose: "Subscription.Close",
	opWatcherJudge:  "Watcher.Judge",
	opHandlerHandle: "Handler.Handle", opHandlerPublished: "Handler.Published", opHandlerEnded: "Handler.Ended",
}

// String returns the method, like "DB.Apply".
func (o op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return fmt.Sprintf("operation %d", uint32(o))
}

// uninterrupted reports whether a method that has begun ends in its own time,
// whatever becomes of its context: a commit. Giving it up would make an outcome
// unknown that is about to be known. If its plugin dies or hangs that ends it.
func (o op) uninterrupted() bool {
	switch o {
	case opDBAdvance, opDBSetSchema, opDBApply, opTxCommit:
		return true
	}
	return false
}

// stage returns the stage that the operation belongs to.
func (o op) stage() string {
	switch {
	case o >= 10 && o < 20:
		return "ports"
	case o >= 20 && o < 40:
		return "lock"
	case o >= 40 && o < 90:
		return "store"
	case o >= 90 && o < 130, o >= 140:
		return "transport"
	case o >= 130 && o < 140:
		return "watcher"
	}
	return ""
}
