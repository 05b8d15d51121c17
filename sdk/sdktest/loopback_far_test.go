package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

// far is the far side of every object: it notes what was called and returns err.
type far struct {
	called   string
	err      error
	env      sdk.Env
	requests []sdk.Request
}

func (f *far) call(name string) error { f.called = name; return f.err }

type (
	farPlugin       struct{ *far }
	farRunning      struct{ *far }
	farPorts        struct{ *far }
	farWatcher      struct{ *far }
	farLock         struct{ *far }
	farLease        struct{ *far }
	farStore        struct{ *far }
	farDB           struct{ *far }
	farRows         struct{ *far }
	farFeed         struct{ *far }
	farTx           struct{ *far }
	farTransport    struct{ *far }
	farServer       struct{ *far }
	farLink         struct{ *far }
	farSubscription struct{ *far }
	farHandler      struct{ *far }
)

type ctx = context.Context

func (f farPlugin) Describe() sdk.Info { return sdk.Info{Name: "far"} }
func (f farPlugin) Open(_ ctx, env sdk.Env) (sdk.Running, error) {
	f.env = env
	return farRunning(f), f.call("Open")
}

func (f farRunning) Ports() sdk.Ports         { f.called = "Ports"; return nil }
func (f farRunning) Lock() sdk.Lock           { f.called = "Lock"; return nil }
func (f farRunning) Store() sdk.Store         { f.called = "Store"; return nil }
func (f farRunning) Transport() sdk.Transport { f.called = "Transport"; return nil }
func (f farRunning) Watcher() sdk.Watcher     { f.called = "Watcher"; return nil }
func (f farRunning) WaitHealth(ctx, uint64) (sdk.Health, error) {
	return sdk.Health{}, f.call("WaitHealth")
}
func (f farRunning) Close(ctx) error { return f.call("Close") }

func (f farPorts) Candidates(ctx, sdk.Workspace) ([][]sdk.Endpoint, error) {
	return nil, f.call("Candidates")
}
func (f farWatcher) Judge(ctx, sdk.Evidence) (sdk.Judgement, error) {
	return sdk.Judgement{}, f.call("Judge")
}

func (f farLock) Acquire(ctx, sdk.Claim) (sdk.Lease, error) { return nil, f.call("Acquire") }
func (f farLock) Await(ctx, sdk.Claim) (sdk.Lease, error)   { return nil, f.call("Await") }
func (f farLock) Inspect(ctx) (sdk.Holding, error)          { return sdk.Holding{}, f.call("Inspect") }
func (f farLock) Changed(ctx, sdk.Record) (sdk.Holding, error) {
	return sdk.Holding{}, f.call("Changed")
}
func (f farLock) Alive(ctx, sdk.Record) (sdk.Liveness, error) {
	return sdk.Dead, f.call("Alive")
}
func (f farLease) Terms() sdk.Terms               { f.called = "Terms"; return sdk.Terms{} }
func (f farLease) Announce(ctx, sdk.Record) error { return f.call("Announce") }
func (f farLease) Renew(ctx) error                { return f.call("Renew") }
func (f farLease) Release(ctx) error              { return f.call("Release") }

func (f farStore) ResourceKey(ctx, sdk.OpenOptions) (string, error) {
	return "key", f.call("ResourceKey")
}
func (f farStore) Open(ctx, sdk.OpenOptions) (sdk.DB, error) { return nil, f.call("Open") }

func (f farDB) Status(ctx) (sdk.StoreStatus, error)              { return sdk.StoreStatus{}, f.call("Status") }
func (f farDB) Advance(ctx, sdk.Fence) (sdk.Grant, error)        { return sdk.Grant{}, f.call("Advance") }
func (f farDB) SetSchema(ctx, uint64, int64) error               { return f.call("SetSchema") }
func (f farDB) Query(ctx, sdk.Query) (sdk.Rows, error)           { return nil, f.call("Query") }
func (f farDB) Changes(ctx, sdk.Position) (sdk.Feed, error)      { return nil, f.call("Changes") }
func (f farDB) Snapshot(ctx) (sdk.Feed, error)                   { return nil, f.call("Snapshot") }
func (f farDB) Close(ctx) error                                  { return f.call("Close") }
func (f farDB) Prepare(ctx, string) (sdk.Prepared, error)        { return sdk.Prepared{}, f.call("Prepare") }
func (f farDB) Begin(ctx, uint64, sdk.TxOptions) (sdk.Tx, error) { return nil, f.call("Begin") }
func (f farDB) Outcome(ctx, uint64, sdk.WriteID) (sdk.Result, error) {
	return sdk.Result{}, f.call("Outcome")
}
func (f farDB) Apply(_ ctx, _ uint64, requests []sdk.Request) ([]sdk.Result, error) {
	f.requests = requests
	return []sdk.Result{{RowsAffected: 1}}, f.call("Apply")
}

func (f farRows) Columns() []sdk.Column          { f.called = "Columns"; return nil }
func (f farRows) Next(ctx) (sdk.Block, error)    { return sdk.Block{}, f.call("Next") }
func (f farRows) Close() error                   { return f.call("Close") }
func (f farFeed) Next(ctx) ([]sdk.Change, error) { return nil, f.call("Next") }
func (f farFeed) Close() error                   { return f.call("Close") }

func (f farTx) Exec(ctx, sdk.Statement) (sdk.Result, error) { return sdk.Result{}, f.call("Exec") }
func (f farTx) Query(ctx, sdk.Statement) (sdk.Rows, error)  { return nil, f.call("Query") }
func (f farTx) Commit(ctx, sdk.Request) (sdk.Result, error) { return sdk.Result{}, f.call("Commit") }
func (f farTx) Rollback(ctx) error                          { return f.call("Rollback") }

func (f farTransport) Serve(ctx, sdk.Scope, []sdk.Endpoint, sdk.Handler) (sdk.Server, error) {
	return nil, f.call("Serve")
}
func (f farTransport) Dial(ctx, sdk.Scope, []sdk.Endpoint) (sdk.Link, error) {
	return nil, f.call("Dial")
}

func (f farServer) Bound() []sdk.Endpoint               { f.called = "Bound"; return nil }
func (f farServer) Publish(ctx, sdk.Event) error        { return f.call("Publish") }
func (f farServer) Close(ctx) error                     { return f.call("Close") }
func (f farLink) Server() sdk.Peer                      { f.called = "Server"; return sdk.Peer{} }
func (f farLink) Call(ctx, sdk.Message) ([]byte, error) { return nil, f.call("Call") }
func (f farLink) Publish(ctx, sdk.Event) error          { return f.call("Publish") }
func (f farLink) Subscribe(ctx, string) (sdk.Subscription, error) {
	return nil, f.call("Subscribe")
}
func (f farLink) Wait(ctx) error                      { return f.call("Wait") }
func (f farLink) Close(ctx) error                     { return f.call("Close") }
func (f farSubscription) Next(ctx) (sdk.Event, error) { return sdk.Event{}, f.call("Next") }
func (f farSubscription) Close() error                { return f.call("Close") }

func (f farHandler) Handle(ctx, sdk.Peer, sdk.Message) ([]byte, error) {
	return nil, f.call("Handle")
}
func (f farHandler) Published(ctx, sdk.Peer, sdk.Event) { f.called = "Published" }
func (f farHandler) Ended(sdk.Peer)                     { f.called = "Ended" }
