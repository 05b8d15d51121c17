package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/kernel/internal/pipeline"
	"github.com/ramet-io/ramet/kernel/internal/sqlroute"
	"github.com/ramet-io/ramet/sdk"
)

// steps returns the pipeline's steps. What each start gathers lies in i.pass.
func (i *Instance) steps() []pipeline.Step {
	step := func(s sdk.Stage, start, stop func(context.Context) error) pipeline.Step {
		return pipeline.Step{
			Name:  string(s),
			Guard: s == sdk.StageLock,
			Start: func(ctx context.Context) error { return i.parts.at(s, "start", start(ctx)) },
			Stop:  func(ctx context.Context) error { return i.parts.at(s, "stop", stop(ctx)) },
		}
	}
	nothing := func(context.Context) error { return nil }
	return []pipeline.Step{
		step(sdk.StagePorts, i.startPorts, nothing),
		step(sdk.StageLock, i.startLock, i.stopLock),
		step(sdk.StageStore, i.startStore, i.stopStore),
		step(sdk.StageTransport, i.startTransport, i.stopTransport),
		step(sdk.StageWatcher, i.startWatcher, i.stopWatcher),
	}
}

func (i *Instance) startPorts(ctx context.Context) (err error) {
	sets, err := i.parts.ports.Candidates(ctx, i.ws)
	if err != nil && i.pass.sets != nil {
		i.log.Warn("the candidates for endpoints are those of before", "err", err) // they do not change
		return nil
	}
	i.pass.sets = sets
	return err
}

func (i *Instance) claim() sdk.Claim {
	return sdk.Claim{Record: i.self, ResourceKey: i.key, TTL: i.cfg.TTL}
}

// startLock tries for the lock once. Held by another is no error: this instance
// becomes secondary. So it does while a plugin that it would serve with is down: the
// lock is better with another instance.
func (i *Instance) startLock(ctx context.Context) error {
	i.pass.abstains = i.parts.unfit() != nil
	if i.pass.abstains {
		return nil
	}
	lease, err := i.parts.lock.Acquire(ctx, i.claim())
	switch {
	case errors.Is(err, errDied): // which is not a lock that does not work
		i.pass.abstains = true
	case err == nil:
		i.pass.lease = lease
		i.restore("lock")
	case errors.Is(err, sdk.ErrHeld):
	case errors.Is(err, sdk.ErrInvalid), i.cfg.OnLockError == LockErrorFail, ctx.Err() != nil:
		return err
	default:
		// The lock does not work. Never a rival for that: the owner row elects.
		i.degrade("lock", fmt.Errorf("no lock: %w", err))
		i.pass.lease = noLock{ttl: i.cfg.TTL}
	}
	return nil
}

func (i *Instance) stopLock(ctx context.Context) error {
	lease := i.pass.lease
	i.pass.lease, i.pass.displaces = nil, sdk.Record{}
	if lease == nil {
		return nil
	}
	return lease.Release(ctx)
}

// startStore stands for primary if a lease is in hand, and sees that the reader
// is open.
func (i *Instance) startStore(ctx context.Context) error {
	if i.pass.lease != nil {
		if err := i.stand(ctx); err != nil {
			return err
		}
	}
	if i.reader.opened() { // it stays open for the instance's life: reads survive role changes
		return nil
	}
	if _, err := i.reader.get(ctx); err != nil {
		return errors.Join(err, i.stopStore(ctx))
	}
	return nil
}

func (i *Instance) openOptions(r sdk.Role) sdk.OpenOptions {
	return sdk.OpenOptions{Path: i.ws.DataPath, Role: r, Durability: i.cfg.Durability,
		ChangeLog: !i.cfg.NoChangeLog, ChangeRetention: i.cfg.ChangeRetention}
}

// errOutrun says that another instance is, or just became, the owner.
var errOutrun = errors.New("another instance owns the store")

// stand opens the store for writing and tries for the next epoch. Losing is no
// error: a lock that is held is kept, next in line.
func (i *Instance) stand(ctx context.Context) error {
	err := i.win(ctx)
	switch {
	case err == nil:
		i.counters.promotions.Add(1)
		i.restore("schema")
		return nil
	case errors.Is(err, errOutrun), errors.Is(err, sdk.ErrFenced):
		i.log.Info("not elected", "reason", err)
	case errors.Is(err, errDied): // which says nothing of the store
		return err
	case errors.Is(err, sdk.ErrIncompatible):
		i.degrade("schema", err)
		i.setUnfit(err)
	case errors.Is(err, sdk.ErrReadOnly) || i.withoutLock():
		i.degrade("store", fmt.Errorf("read-only: %w", err))
		i.setUnfit(err)
	default:
		return err
	}
	return i.standDown(ctx)
}

// standDown keeps a real lock for later if this instance may be promoted, and
// gives anything else back.
func (i *Instance) standDown(ctx context.Context) error {
	lease := i.pass.lease
	if i.watch.Enabled() && i.unfit() == nil && !lease.Terms().Takeover {
		return nil
	}
	i.pass.lease = nil
	return lease.Release(ctx)
}

func (i *Instance) withoutLock() bool {
	_, ok := i.pass.lease.(noLock)
	return ok
}

// win opens the store and advances the epoch, unless the present owner lives.
func (i *Instance) win(ctx context.Context) (err error) {
	db := i.pass.spare
	if i.pass.spare = nil; db == nil || dead(db) {
		if db, err = i.parts.store.Open(ctx, i.openOptions(sdk.Primary)); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.stopStore(ctx))
		}
	}()
	i.pass.db = db
	st, err := db.Status(ctx)
	if err != nil {
		return err
	}
	if err := i.ownerGone(ctx, st); err != nil {
		return err
	}
	terms := i.pass.lease.Terms()
	if terms.StartTime != 0 { // so that the owner row tells this process from a later one with its pid
		i.self.StartTime = terms.StartTime
	}
	i.pass.resign = make(chan error, 1)
	quit := quitter(i.pass.resign)
	i.pass.renewal = start(newRenewal(i, quit).run)
	i.pass.grant, err = i.advance(ctx, terms, st)
	if err != nil {
		return err
	}
	i.pass.writer = forward.NewWriter(db, i.pass.grant.Epoch, i.pass.grant.Lineage, forward.WriterOptions{
		TxIdle: i.cfg.TxIdle, TxTotal: i.cfg.TxTotal, Committed: i.hints.committed, Fatal: quit, Log: i.log,
	})
	return i.migrate(ctx)
}

// ownerGone returns errOutrun unless the owner that the store names is dead, has
// left, was found lost, or is this instance itself.
func (i *Instance) ownerGone(ctx context.Context, st sdk.StoreStatus) error {
	owner := st.Owner
	if st.Epoch == 0 || owner.Incarnation == i.self.Incarnation ||
		owner.Incarnation == i.pass.displaces.Incarnation && owner.Epoch == i.pass.displaces.Epoch {
		return nil
	}
	alive, err := i.parts.lock.Alive(ctx, owner)
	if err == nil && alive == sdk.Dead {
		return nil
	}
	// The record may know better than the owner row, which a takeover writes before
	// the lock plugin has named its process.
	h, err := i.parts.lock.Inspect(ctx)
	if err == nil && h.Announced.Incarnation == owner.Incarnation && h.Announced.Epoch == st.Epoch {
		alive, err := i.parts.lock.Alive(ctx, h.Announced)
		if h.Announced.Left || err == nil && alive == sdk.Dead {
			return nil
		}
	}
	return fmt.Errorf("%w: epoch %d belongs to %s (pid %d)", errOutrun, st.Epoch, owner.Instance, owner.PID)
}

// advance tries for the next epoch. A takeover does not wait long for the writer: a
// stopped primary may hold it in an open transaction, and must not be displaced
// after it woke and went on.
func (i *Instance) advance(ctx context.Context, terms sdk.Terms, st sdk.StoreStatus) (sdk.Grant, error) {
	f := sdk.Fence{Observed: st.Epoch, AtLeast: terms.AtLeast, RecordEpoch: terms.Epoch, RecordLineage: terms.Lineage,
		Owner: i.self, SchemaVersion: i.cfg.SchemaVersion}
	if terms.Epoch > st.Epoch { // the store was restored: no epoch is granted twice
		f.AtLeast = max(f.AtLeast, terms.Epoch+1)
	}
	f.Owner.SinceUnix = time.Now().Unix()
	if !terms.Takeover {
		return i.pass.db.Advance(ctx, f)
	}
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	g, err := i.pass.db.Advance(ctx, f)
	if errors.Is(err, sdk.ErrUnavailable) {
		err = fmt.Errorf("%w, %s (pid %d, since %v), and its open write transaction still holds the database; "+
			"resume or end that process; reads go on: %v", errOutrun, st.Owner.Instance, st.Owner.PID,
			time.Unix(st.Owner.SinceUnix, 0).UTC(), err)
		i.degrade("takeover", err)
	} else if err == nil {
		i.restore("takeover")
	}
	return g, err
}

// takeoverPatience is how long a takeover waits for the store's writer: hardly, for
// what the watcher saw is of the moment before.
const takeoverPatience = 2 * time.Millisecond

// migrate runs Config.Migrate if the store's version is not the declared one.
func (i *Instance) migrate(ctx context.Context) error {
	g := i.pass.grant
	if i.cfg.Migrate == nil || g.SchemaVersion == i.cfg.SchemaVersion {
		return nil
	}
	db := sqlroute.Open(migrating{i.pass.db, i.pass.writer})
	defer db.Close()
	if err := i.cfg.Migrate(ctx, db); err != nil {
		return fmt.Errorf("migrate from schema version %d to %d: %w", g.SchemaVersion, i.cfg.SchemaVersion, err)
	}
	if err := i.pass.db.SetSchema(ctx, g.Epoch, i.cfg.SchemaVersion); err != nil {
		return fmt.Errorf("record schema version %d: %w", i.cfg.SchemaVersion, err)
	}
	return nil
}

func (i *Instance) stopStore(ctx context.Context) error {
	p := &i.pass
	var errs []error
	if p.writer != nil {
		errs = append(errs, i.stopWriter(ctx))
	}
	errs = append(errs, p.renewal.stopBy(ctx, "renewal"))
	if p.db != nil {
		errs = append(errs, p.db.Close(ctx))
	}
	errs = append(errs, closeUnused(ctx, p.spare))
	i.concede(ctx)
	p.writer, p.db, p.spare, p.renewal, p.grant = nil, nil, nil, nil, sdk.Grant{}
	return errors.Join(errs...)
}

// stopWriter ends the writer. What is inside a store that hangs comes out when that
// is ended.
func (i *Instance) stopWriter(ctx context.Context) error {
	w := i.pass.writer
	if err := i.pass.db.(heldDB).from.stop(ctx, w.Close); err != nil {
		return err
	}
	return w.Close(ctx)
}

// concede names this instance in the record of an epoch that it won and never
// served, so that the lease's Release can mark it as left. Else the owner row would
// name a living process, and the next instance would wait for its TTL.
func (i *Instance) concede(ctx context.Context) {
	p := &i.pass
	if p.grant.Epoch == 0 || p.record.Epoch == p.grant.Epoch || p.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	r := i.self
	r.Epoch, r.Lineage, r.Workspace = p.grant.Epoch, p.grant.Lineage, p.grant.Workspace
	r.SinceUnix = time.Now().Unix()
	if err := p.lease.Announce(ctx, r); err != nil {
		i.log.Warn("an epoch that was won and not served could not be given up by name; "+
			"the next primary waits for the TTL", "epoch", r.Epoch, "error", err)
	}
}

// startTransport serves if the epoch was won, and else looks for who does.
func (i *Instance) startTransport(ctx context.Context) error {
	if i.pass.writer == nil {
		i.roles.set(RoleChange{Role: sdk.Secondary, Reason: i.reason})
		i.pass.link = start(i.linker)
		return nil
	}
	g := i.pass.grant
	scope := sdk.Scope{Workspace: g.Workspace, Epoch: g.Epoch, Instance: i.self.Instance,
		Incarnation: i.self.Incarnation, PID: i.self.PID, Role: sdk.Primary}
	h := &service{i: i, writer: i.pass.writer, epoch: g.Epoch, open: make(chan struct{})}
	var errs []error
	for _, set := range i.pass.sets {
		s, err := i.parts.transport.Serve(ctx, scope, set, h)
		if err == nil {
			i.pass.server = s
			return i.serve(ctx, scope, h)
		}
		errs = append(errs, fmt.Errorf("serve at %v: %w", set, err))
	}
	return errors.Join(errs...)
}

// serve announces the service and opens it to this process.
func (i *Instance) serve(ctx context.Context, s sdk.Scope, h *service) error {
	p := &i.pass
	p.record = i.self
	p.record.Epoch, p.record.Lineage, p.record.Workspace = s.Epoch, p.grant.Lineage, s.Workspace
	p.record.Endpoints = p.server.Bound()
	p.record.SinceUnix = time.Now().Unix()
	p.record.Takeover = p.lease.Terms().Takeover
	if err := p.lease.Announce(ctx, p.record); err != nil {
		return errors.Join(fmt.Errorf("announce epoch %d: %w", s.Epoch, err), i.stopTransport(ctx))
	}
	i.setAnnounced(p.record)
	i.setQuit(quitter(p.resign))
	i.bus.Serve(p.server, s.Epoch)
	i.members.lead()
	close(h.open)
	p.gen = i.route.set(forward.Target{Epoch: s.Epoch, Lineage: p.grant.Lineage, Local: p.writer,
		Apart: i.parts.apart(sdk.StageStore)})
	i.roles.set(RoleChange{Role: sdk.Primary, Primary: p.record, Reason: i.reason})
	i.log.Info("primary", "epoch", s.Epoch, "endpoints", p.record.Endpoints)
	return nil
}

func (i *Instance) stopTransport(ctx context.Context) error {
	p := &i.pass
	err := p.link.stopBy(ctx, "linker")
	p.link = nil
	if p.server == nil {
		return err
	}
	i.route.clear(p.gen)
	i.setAnnounced(sdk.Record{})
	i.setQuit(nil)
	i.roles.set(RoleChange{Reason: i.reason})
	i.bus.Unserve()
	err = errors.Join(err, p.server.Close(ctx))
	p.server = nil
	return err
}

func (i *Instance) startWatcher(context.Context) error {
	if i.pass.writer == nil {
		i.pass.duty = start(newStandby(i).run)
		return nil
	}
	resign := i.pass.resign
	i.pass.duty = start(func(ctx context.Context) {
		select {
		case err := <-resign:
			i.ask(ctx, turn{demote: err, reason: err.Error()})
		case <-ctx.Done():
		}
	})
	return nil
}

func (i *Instance) stopWatcher(ctx context.Context) error {
	err := i.pass.duty.stopBy(ctx, "standby")
	i.pass.duty = nil
	return err
}
