package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// members are the instances of the workspace: the primary enters those that link
// to it and tells the others, so that each knows whether somebody could be promoted.
type members struct {
	mu       sync.Mutex // guards what follows
	sessions map[string]InstanceStatus
	list     []InstanceStatus // secondaries, as last told or as led
	leads    bool
}

func newMembers() *members { return &members{sessions: map[string]InstanceStatus{}} }

// lead starts the list of a new primary: those who link to it will enter.
func (m *members) lead() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.sessions)
	m.leads = true
}

// enter adds or replaces a session's entry and reports whether that changed it.
func (m *members) enter(session string, s InstanceStatus) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, had := m.sessions[session]
	m.sessions[session] = s
	return !had || old.Failover != s.Failover
}

// leave drops a session and reports whether it was there: onlookers never are.
func (m *members) leave(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, had := m.sessions[session]
	delete(m.sessions, session)
	return had
}

// replace takes the list that a primary sent.
func (m *members) replace(body []byte) error {
	var list []InstanceStatus
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("%w: list of members: %w", sdk.ErrInvalid, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list, m.leads = list, false
	return nil
}

// known returns the secondaries, oldest first.
func (m *members) known() []InstanceStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.list)
	if m.leads {
		list = nil
		for _, s := range m.sessions {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b InstanceStatus) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return a.PID - b.PID
	})
	return list
}

// me describes this instance for the others.
func (i *Instance) me(role sdk.Role) InstanceStatus {
	return InstanceStatus{ID: i.self.Instance, Incarnation: i.self.Incarnation, PID: i.self.PID,
		Program: i.self.Program, Version: i.self.Version, Role: role, Since: i.roles.since(),
		Failover: i.watch.Enabled() && i.unfit() == nil}
}

// memberList is the whole list as the primary sees it, itself first.
func (i *Instance) memberList() []InstanceStatus {
	return append([]InstanceStatus{i.me(sdk.Primary)}, i.members.known()...)
}

// followMembers keeps the list up to date on a secondary, for the life of the
// instance.
func (i *Instance) followMembers(ctx context.Context) {
	sub, err := i.bus.Watch(ctx, topicMembers)
	if err != nil {
		return
	}
	defer sub.Close()
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if e.Notice || e.From == i.self.Incarnation {
			continue
		}
		if err := i.members.replace(e.Body); err != nil {
			i.log.Warn("list of members", "err", err)
		}
	}
}

// tellMembers sends the list to the secondaries.
func (i *Instance) tellMembers() {
	body, err := json.Marshal(i.memberList())
	if err == nil {
		err = i.bus.Announce(context.Background(), topicMembers, body)
	}
	if err != nil {
		i.log.Debug("tell members", "err", err)
	}
}

// Topics of the kernel's own.
const (
	topicMembers = "members"
	topicCommit  = "commit"
)

// hope returns nil while a primary can still come, and else why not.
func (i *Instance) hope() error {
	if i.watch.Enabled() && i.unfit() == nil || i.parts.returning() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), hopeEvery)
	defer cancel()
	h, err := i.parts.lock.Inspect(ctx)
	if err == nil && h.Held {
		return nil // somebody holds the lock: serving, or about to
	}
	gone := h.Announced.Left && !i.route.justLost()
	if err == nil && !gone && h.Announced.Epoch != 0 && h.Announced.Incarnation != i.self.Incarnation {
		if alive, err := i.parts.lock.Alive(ctx, h.Announced); err == nil && alive != sdk.Dead {
			return nil
		}
	}
	if i.moving.Load() {
		return nil
	}
	for _, m := range i.members.known() {
		left := h.Announced.Left && m.Incarnation == h.Announced.Incarnation // its process may live on
		if !m.Failover || left || m.Incarnation == i.self.Incarnation {
			continue
		}
		r := sdk.Record{Instance: m.ID, Incarnation: m.Incarnation, PID: m.PID}
		if alive, err := i.parts.lock.Alive(ctx, r); err == nil && alive != sdk.Dead {
			return nil
		}
	}
	if err := i.unfit(); err != nil {
		return err
	}
	return fmt.Errorf("%w: there is no primary and no instance with failover enabled; "+
		"enable it (Config.Failover, Watcher().SetEnabled, --failover auto) or start another instance", sdk.ErrUnavailable)
}
