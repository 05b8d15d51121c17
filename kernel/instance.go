package kernel

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/kernel/internal/bus"
	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/kernel/internal/pipeline"
	"github.com/ramet-io/ramet/sdk"
)

// Instance is one process's part in a workspace. Bootstrap makes it, Close ends
// it. Everything it hands out stays valid across role changes until Close.
type Instance struct {
	cfg   Config
	ws    sdk.Workspace
	self  sdk.Record // who we are; no epoch, no endpoints
	log   hclog.Logger
	parts *parts // the opened plugins, by stage

	pipe *pipeline.Pipeline // owned by the goroutine of run
	life context.Context    // ends when Close begins
	end  context.CancelFunc
	done chan struct{} // closed when run has returned and everything is released

	reader  *reader // read-only, for the instance's whole life
	route   *route
	client  *forward.Client
	db      *sql.DB
	localDB *sql.DB
	bus     *bus.Bus
	roles   *roleFeed
	watch   *Watcher
	hints   *hints
	members *members
	events  *eventLog

	key   string        // what the lock protects
	turns chan turn     // role changes asked for by the goroutines of a role
	nudge chan struct{} // holds one: the link changed, so judge at once

	background *work            // what runs for the whole life
	keepers    *work            // the supervisors of the plugins
	pass       pass             // the present pass through the pipeline; owned by run
	reason     string           // of the present pass; owned by run
	parkEnd    <-chan time.Time // ends the wait for a transport; owned by run

	suspect  atomic.Bool // the primary shows no life at the moment
	moving   atomic.Bool // the pipeline is moving
	counters counters

	mu       sync.Mutex // guards what follows
	degraded map[string]string
	unfitErr error // why this instance may not be promoted; nil: it may
	serving  sdk.Record
	quit     func(error) // ends the present service; nil on a secondary
	link     sdk.Link    // to the primary; nil: none
	linkTo   sdk.Record
	goodbye  sdk.Record // the primary that said goodbye last

	closeOnce sync.Once
	closeErr  error
}

// ID returns the label of the instance.
func (i *Instance) ID() string { return i.self.Instance }

// Incarnation returns the 32 hex digits drawn for this Bootstrap. Unique.
func (i *Instance) Incarnation() string { return i.self.Incarnation }

// Workspace returns where the instance lives.
func (i *Instance) Workspace() sdk.Workspace { return i.ws }

// Role returns the present role; "" between roles and after Close. It is
// advisory: see Confirm.
func (i *Instance) Role() sdk.Role { return i.roles.current().Role }

// Roles returns the role feed: the present role at once, then each change. The
// channel holds 16 changes; if its reader is slower the oldest are dropped, so
// the last one read is always the newest. It is closed when ctx ends or the
// instance is closed.
func (i *Instance) Roles(ctx context.Context) <-chan RoleChange { return i.roles.subscribe(ctx) }

// DB returns the routed handle. Reads run on this process's own connection;
// writes, also INSERT ... RETURNING, go to the primary and are applied exactly
// once, whatever dies meanwhile; interactive transactions hold the primary's
// writer (see Config.TxIdle, Config.TxTotal) unless they are read-only, which
// stay local. Closing it does nothing to the instance.
func (i *Instance) DB() *sql.DB { return i.db }

// LocalDB returns this process's own reads, read-only on every role: writes fail
// with sdk.ErrReadOnly.
func (i *Instance) LocalDB() *sql.DB { return i.localDB }

// Bus returns the bus, the same on either role.
func (i *Instance) Bus() *Bus { return &Bus{i.bus} }

// Watcher returns the failure detector's switch. Never nil.
func (i *Instance) Watcher() *Watcher { return i.watch }

// Lease describes who is primary.
type Lease struct {
	Holder sdk.Record // zero if nobody is known
	Epoch  uint64
	Since  time.Time
	Ours   bool
}

// Lease returns who is primary as far as this instance knows. It does no I/O.
func (i *Instance) Lease() Lease {
	c := i.roles.current()
	return Lease{Holder: c.Primary, Epoch: c.Primary.Epoch, Since: time.Unix(c.Primary.SinceUnix, 0),
		Ours: c.Role == sdk.Primary}
}

// Endpoints returns where the primary is served; nil if nobody is known.
func (i *Instance) Endpoints() []sdk.Endpoint {
	return append([]sdk.Endpoint(nil), i.roles.current().Primary.Endpoints...)
}

// Confirm checks in the store that this instance is primary at this moment, for
// applications that act outside the database. It returns sdk.ErrNotPrimary on a
// secondary and sdk.ErrFenced if a newer primary exists. The answer is true for
// the moment of the check only.
func (i *Instance) Confirm(ctx context.Context) error {
	c := i.roles.current()
	if c.Role != sdk.Primary {
		return &sdk.NotPrimaryError{Endpoints: c.Primary.Endpoints, Epoch: c.Primary.Epoch}
	}
	st, err := i.reader.Status(ctx)
	if err != nil {
		return fmt.Errorf("confirm epoch %d: %w", c.Primary.Epoch, err)
	}
	if st.Epoch != c.Primary.Epoch {
		return fmt.Errorf("%w: we won epoch %d, the store is at %d", sdk.ErrFenced, c.Primary.Epoch, st.Epoch)
	}
	return nil
}

// Close leaves the workspace: it hands over if this is the primary, releases
// every stage in reverse order and waits. Idempotent; every caller gets the same
// error. sdk.ErrUnclean means that something did not stop, so the lock is kept:
// exit the process.
func (i *Instance) Close() error {
	i.closeOnce.Do(func() {
		i.end()
		<-i.done
	})
	<-i.done
	return i.closeErr
}

// unfit returns why this instance may not be promoted; nil if it may.
func (i *Instance) unfit() error {
	i.mu.Lock()
	err := i.unfitErr
	i.mu.Unlock()
	if err != nil {
		return err
	}
	return i.parts.unfit()
}

func (i *Instance) setUnfit(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unfitErr = err
}

// linked returns the link to the primary; nil if there is none.
func (i *Instance) linked() sdk.Link {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.link
}

func (i *Instance) setLinked(l sdk.Link, r sdk.Record) {
	i.mu.Lock()
	i.link, i.linkTo = l, r
	i.mu.Unlock()
	i.poke()
}

func (i *Instance) setUnlinked(goodbye bool) {
	i.mu.Lock()
	if goodbye {
		i.goodbye = i.linkTo
	}
	i.link = nil
	i.mu.Unlock()
	i.poke()
}

func (i *Instance) poke() {
	select {
	case i.nudge <- struct{}{}:
	default:
	}
}

// saidGoodbye reports whether the primary that r describes told us that it leaves. A
// later epoch of the same instance did not.
func (i *Instance) saidGoodbye(r sdk.Record) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.goodbye.Incarnation != "" && i.goodbye.Incarnation == r.Incarnation && i.goodbye.Epoch == r.Epoch
}

// counters count for Status.
type counters struct {
	promotions, demotions, fenced atomic.Uint64
}

func (c *counters) read(replayed uint64) Counters {
	return Counters{Promotions: c.promotions.Load(), Demotions: c.demotions.Load(), Fenced: c.fenced.Load(), Replayed: replayed}
}
