package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// standby is a secondary's watch over the primary: it waits for the lock, gathers
// evidence, asks the watcher and asks for promotion. It judges also while failover
// is off, but then only reports.
type standby struct {
	i     *Instance
	lease sdk.Lease // held, next in line; nil: none
	won   chan sdk.Lease
	await *work
	spare *spare // nil: not wanted
	ttl   time.Duration

	record sdk.Record // who is watched
	owner  string     // incarnation of one that won and did not announce itself; it is watched too
	beat   uint64
	next   time.Time     // when the next reading is due
	every  time.Duration // between two readings
	ev     sdk.Evidence
	probed chan bool // answers of the probe under way
	probe  *work
}

func newStandby(i *Instance) *standby {
	s := &standby{i: i, lease: i.pass.lease, won: make(chan sdk.Lease, 1), probed: make(chan bool, 1), ttl: i.cfg.TTL}
	if s.ttl <= 0 {
		s.ttl = defaultTTL
	}
	s.every = s.ttl / 5
	s.ev = sdk.Evidence{TTL: i.cfg.TTL, LockIsOurs: s.lease != nil}
	return s
}

func (s *standby) run(ctx context.Context) {
	defer s.giveBack(ctx)
	defer func() { s.probe.stop() }()
	defer s.i.suspect.Store(false)
	recheck := time.Duration(0)
	s.next = time.Now().Add(s.every)
	for {
		enabled, changed := s.i.watch.state()
		may := enabled && s.i.unfit() == nil
		s.wait(ctx, may)
		s.prepare(ctx, may)
		timer := time.NewTimer(recheck)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case lease := <-s.won:
			timer.Stop()
			if lease == nil {
				s.await.stop()
				s.await = nil
				recheck = s.every
				continue
			}
			s.i.ask(ctx, turn{lease: lease, spare: s.spare.take(), reason: "got the lock"})
			return
		case <-s.i.nudge:
			timer.Stop()
			s.await.stop() // to try at once, before anything else: it may be free
			s.await = nil
			recheck = time.Millisecond
			continue
		case ok := <-s.probed:
			s.ev.Probed, s.ev.ProbeOK = true, ok
			s.probe.stop()
			s.probe = nil
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		done := false
		if recheck, done = s.judge(ctx, enabled); done {
			return
		}
	}
}

// wait keeps a goroutine in Lock.Await while this instance may be promoted and
// holds nothing yet.
func (s *standby) wait(ctx context.Context, may bool) {
	if s.lease != nil || !may {
		s.await.stop()
		s.await = nil
		return
	}
	if s.await != nil || len(s.won) > 0 {
		return
	}
	claim := s.i.claim()
	claim.Linked = s.i.linked() != nil
	s.await = start(func(ctx context.Context) {
		lease, err := s.i.parts.lock.Await(ctx, claim)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errDied) {
			s.i.degrade("lock", fmt.Errorf("waiting for the lock: %w", err))
		}
		if err != nil {
			lease = nil
			if ctx.Err() != nil {
				return
			}
		}
		s.won <- lease // holds one, and only one goroutine sends at a time
	})
}

// prepare opens the store ahead while this instance may be promoted. It waits for a
// link, which shows that a primary has made the store what it must be.
func (s *standby) prepare(ctx context.Context, may bool) {
	if s.spare != nil && (!may || s.spare.stale()) {
		s.discard(ctx)
	}
	if may && s.spare == nil && s.i.linked() != nil {
		s.spare = s.i.openSpare()
	}
}

// discard closes the spare if it was not handed on.
func (s *standby) discard(ctx context.Context) {
	if err := s.spare.close(ctx); err != nil {
		s.i.log.Error("close the spare handle of the store", "err", err)
	}
	s.spare = nil
}

// giveBack releases a lease that arrived too late to be used.
func (s *standby) giveBack(ctx context.Context) {
	s.discard(ctx)
	s.await.stop()
	select {
	case lease := <-s.won:
		if lease == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
		defer cancel()
		if err := lease.Release(ctx); err != nil {
			s.i.log.Error("give back an unused lease", "err", err)
		}
	default:
	}
}

// judge gathers evidence, asks the watcher, and acts. It reports whether the turn
// was handed over.
func (s *standby) judge(ctx context.Context, enabled bool) (recheck time.Duration, done bool) {
	s.read(ctx)
	j, err := s.i.parts.watcher.Judge(ctx, s.ev)
	if err != nil {
		s.i.watch.judged(err.Error())
		return s.every, false
	}
	s.i.watch.judged(j.Verdict.String() + ": " + j.Reason)
	s.i.suspect.Store(j.Verdict != sdk.VerdictAlive || s.ev.Missed >= 2)
	switch {
	case j.Verdict == sdk.VerdictSuspect && s.probe == nil && s.record.Incarnation != "":
		s.probe = start(s.ping(s.record))
	case (j.Verdict == sdk.VerdictLost || j.Verdict == sdk.VerdictHandover) && enabled && s.i.unfit() == nil:
		if s.displace(ctx, j) {
			return 0, true
		}
	}
	if s.lease != nil && !s.ev.LinkUp {
		// It let go of the lock and the link and is not seen to be dead: most likely it
		// is dying.
		j.Recheck = min(j.Recheck, dyingPause)
	}
	// Readings keep their own pace; the watcher may want to be asked sooner.
	return max(min(j.Recheck, time.Until(s.next)), time.Millisecond), false
}

// dyingPause is how soon one that holds the lock looks again at a primary without a
// link.
const dyingPause = 5 * time.Millisecond

// read takes a reading of record, beat and process. Only what was seen awake
// counts: if our own timer fired late, the count starts over.
func (s *standby) read(ctx context.Context) {
	h, err := s.i.parts.lock.Inspect(ctx)
	if err != nil {
		return
	}
	if h.Record.Incarnation == s.i.self.Incarnation {
		h.Record = h.Announced // we hold the lock ourselves, next in line
	}
	if h.Record.Incarnation != s.record.Incarnation || h.Record.Epoch != s.record.Epoch || h.Record.Left != s.record.Left {
		s.fresh()
	}
	s.record = h.Record
	s.ev.LinkUp = s.i.linked() != nil
	s.ev.Goodbye = h.Record.Left || s.i.saidGoodbye(h.Record)
	if alive, err := s.i.parts.lock.Alive(ctx, h.Record); err == nil {
		s.ev.Process = alive
	}
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	s.ev.Late = now.Sub(s.next) > s.every
	s.next = now.Add(s.every)
	switch {
	case h.Beat != s.beat:
		s.beat = h.Beat
		s.fresh()
	case s.ev.Late:
		s.fresh()
	default:
		s.ev.Missed++
	}
}

// fresh starts the evidence over after a sign of life.
func (s *standby) fresh() {
	s.ev.Missed, s.ev.Probed, s.ev.ProbeOK = 0, false, false
}

// ping probes the primary directly: over the link, or by dialing.
func (s *standby) ping(r sdk.Record) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, s.every)
		defer cancel()
		err := errors.New("no link")
		if link := s.i.linked(); link != nil {
			_, err = link.Call(ctx, sdk.Message{Op: "ping", Timeout: s.every})
		} else if len(r.Endpoints) > 0 {
			var l sdk.Link
			l, err = s.i.parts.transport.Dial(ctx, sdk.Scope{Workspace: r.Workspace, Epoch: r.Epoch,
				Instance: s.i.self.Instance, Incarnation: s.i.self.Incarnation}, r.Endpoints)
			if err == nil {
				_, err = l.Call(ctx, sdk.Message{Op: "ping", Timeout: s.every})
				_ = l.Close(context.WithoutCancel(ctx))
			}
		}
		s.probed <- err == nil
	}
}

// displace asks for promotion in place of a primary that is lost or left. A dead
// or departed holder frees the lock, and Await is the way to it; only a primary
// that shows no life for a TTL, or one that serves without the lock, is displaced
// without it.
func (s *standby) displace(ctx context.Context, j sdk.Judgement) bool {
	st, err := s.i.reader.Status(ctx)
	if err != nil {
		return false
	}
	// Somebody may have displaced the one that is watched and not announced itself
	// yet. What was seen says nothing of the new owner, which gets its own time.
	news := st.Owner.Incarnation != s.record.Incarnation
	if news && st.Owner.Incarnation != s.owner {
		s.owner = st.Owner.Incarnation
		s.fresh()
	}
	if silent := s.ev.Missed >= 5; !silent && (news || s.lease == nil) {
		return false
	}
	t := turn{displaces: st.Owner, reason: j.Reason}
	if s.lease == nil {
		claim := s.i.claim()
		claim.Takeover, claim.Displaces = true, s.record
		t.lease, err = s.i.parts.lock.Acquire(ctx, claim)
		if err != nil {
			if errors.Is(err, sdk.ErrHeld) || s.i.cfg.OnLockError == LockErrorFail {
				return false
			}
			t.lease = noLock{ttl: s.ttl}
		}
	}
	t.spare = s.spare.take()
	s.i.ask(ctx, t)
	return true
}
