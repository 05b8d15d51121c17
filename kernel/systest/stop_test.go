//go:build unix

package systest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// overtaking is a workspace whose primary was stopped and then taken over.
type overtaking struct {
	*ledger
	t      *testing.T
	dir    string
	old    *node   // stopped
	taker  *node   // primary now
	others []*node // still secondary
}

// overtake starts a primary and standbys, all of them writing, stops the primary
// between two of its transactions and waits until it is replaced.
func overtake(t *testing.T, standbys int) *overtaking {
	t.Helper()
	dir := t.TempDir()
	o := &overtaking{t: t, dir: dir, old: join(t, dir, "a")}
	o.ledger = newLedger(t, o.old)
	for n := range standbys {
		o.others = append(o.others, join(t, dir, string(rune('b'+n))))
	}
	all := append([]*node{o.old}, o.others...)
	for _, n := range all {
		o.load(n)
	}
	o.progress(all...)
	stopBetweenWrites(t, o.old, dir)
	o.replaced()
	return o
}

// replaced waits until one of the others is primary.
func (o *overtaking) replaced() {
	o.t.Helper()
	o.taker = primaryOf(o.t, o.others...)
	o.others = slices.DeleteFunc(o.others, func(n *node) bool { return n == o.taker })
}

// settled checks the end: one of nodes is primary, all of them work, nothing was
// lost or doubled, and there was one promotion for each lost primary.
func (o *overtaking) finish(epoch uint64, nodes ...*node) {
	o.t.Helper()
	primaryOf(o.t, nodes...)
	o.progress(nodes...)
	settled := epochOf(o.t, nodes[0])
	o.settle(nodes...)
	o.check(nodes[len(nodes)-1])
	if settled != epoch || epochOf(o.t, nodes[0]) != epoch {
		o.t.Errorf("epoch %d, want %d: one promotion for each lost primary", settled, epoch)
	}
}

// stopBetweenWrites stops n while it holds no write transaction: one that does
// keeps the database, and nobody can take over before it is resumed.
func stopBetweenWrites(t *testing.T, n *node, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, ".ramet", "ramet.db")+"?_txlock=immediate&_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	eventually(t, n.name+" stopped between two transactions", func() bool {
		n.stop()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			n.resume()
			return false
		}
		return tx.Rollback() == nil
	})
}

// TestStoppedPrimaryIsTakenOver and then killed: nothing more happens.
func TestStoppedPrimaryIsTakenOver(t *testing.T) {
	o := overtake(t, 2)
	o.progress(append(o.others, o.taker)...)
	o.old.kill()
	o.finish(2, append(o.others, o.taker)...)
}

// TestResumedPrimaryFindsItselfFenced: it becomes a working secondary, and its own
// write that was in flight is neither lost nor doubled.
func TestResumedPrimaryFindsItselfFenced(t *testing.T) {
	o := overtake(t, 2)
	o.old.resume()
	o.finish(2, append(o.others, o.taker, o.old)...)
	if c := o.old.must(order{Op: "status"}).Status.Counters; c.Demotions != 1 {
		t.Errorf("counters of the resumed one: %+v, want one demotion", c)
	}
	if got := o.old.do(order{Op: "confirm"}); got.Code != sdk.CodeOf(sdk.ErrNotPrimary) {
		t.Errorf("confirm on the resumed one: %q, want ErrNotPrimary", got.Err)
	}
}

// TestTakerKilled while the one that it displaced is still stopped and holds the
// lock: a third goes on.
func TestTakerKilled(t *testing.T) {
	o := overtake(t, 2)
	o.taker.kill()
	o.replaced()
	o.progress(o.taker)
	o.old.resume()
	o.finish(3, append(o.others, o.taker, o.old)...)
}

// TestTakerKilledAndNobodyElseLeft: when the stopped one comes back, it stands
// again.
func TestTakerKilledAndNobodyElseLeft(t *testing.T) {
	o := overtake(t, 1)
	o.taker.kill()
	o.old.resume()
	o.finish(3, o.old)
}

// TestTakerStopped: the third takes over from the second as that did from the
// first, and both come back as secondaries.
func TestTakerStopped(t *testing.T) {
	o := overtake(t, 2)
	second := o.taker
	stopBetweenWrites(t, second, o.dir)
	o.replaced()
	o.progress(o.taker)
	second.resume()
	o.old.resume()
	o.finish(3, o.taker, second, o.old)
}

// TestTakerLeaves in good order, without ever having held the lock.
func TestTakerLeaves(t *testing.T) {
	o := overtake(t, 2)
	o.leave(o.taker, "close")
	o.replaced()
	o.progress(o.taker)
	o.old.resume()
	o.finish(3, append(o.others, o.taker, o.old)...)
}

// TestStandbysRaceForAStoppedPrimary, again and again, and one wins each time.
func TestStandbysRaceForAStoppedPrimary(t *testing.T) {
	dir := t.TempDir()
	var nodes []*node
	for _, name := range []string{"a", "b", "c", "d"} {
		nodes = append(nodes, join(t, dir, name))
	}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		l.load(n)
	}
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		l.progress(nodes...)
		old := primaryOf(t, nodes...)
		stopBetweenWrites(t, old, dir)
		primaryOf(t, slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n == old })...)
		old.resume()
		primaryOf(t, nodes...)
	}
	l.progress(nodes...)
	l.settle(nodes...)
	l.check(nodes[0])
	if got := epochOf(t, nodes[0]); got != uint64(rounds)+1 {
		t.Errorf("epoch %d after %d losses, want one promotion each", got, rounds)
	}
}

// TestHealthyLoadedPrimaryIsNotDisplaced, for several lease times.
func TestHealthyLoadedPrimaryIsNotDisplaced(t *testing.T) {
	dir := t.TempDir()
	nodes := []*node{join(t, dir, "a"), join(t, dir, "b"), join(t, dir, "c")}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		l.load(n)
	}
	for end := time.Now().Add(6 * testTTL); time.Now().Before(end); {
		l.progress(nodes...)
	}
	l.settle(nodes...)
	l.check(nodes[1])
	if got := epochOf(t, nodes[2]); got != 1 || nodes[0].role() != sdk.Primary {
		t.Errorf("epoch %d, the first is %s; want epoch 1 and primary", got, nodes[0].role())
	}
}

// TestStoppedSecondaryHoldsNobodyUp: in the system ramet replaces, one stopped
// subscriber froze all.
func TestStoppedSecondaryHoldsNobodyUp(t *testing.T) {
	dir := t.TempDir()
	a, b, c := join(t, dir, "a"), join(t, dir, "b"), join(t, dir, "c")
	l := newLedger(t, a)
	for _, n := range []*node{a, b, c} {
		l.load(n)
	}
	l.progress(a, b, c)
	c.stop()
	for end := time.Now().Add(3 * testTTL); time.Now().Before(end); {
		l.progress(a, b)
	}
	c.resume()
	l.progress(a, b, c)
	l.settle(a, b, c)
	l.check(c)
	if got := epochOf(t, c); got != 1 {
		t.Errorf("epoch %d, want 1", got)
	}
}

// TestPrimaryStoppedInsideATransaction: it holds the database, so the takeover
// waits and says for whom; reads go on. When it is resumed it goes on as primary.
func TestPrimaryStoppedInsideATransaction(t *testing.T) {
	dir := t.TempDir()
	patient := func(o *bootOptions) { o.TxIdle = time.Hour }
	a, b, c := join(t, dir, "a", patient), join(t, dir, "b", patient), join(t, dir, "c", patient)
	a.exec("CREATE TABLE t(x)")
	b.number("SELECT count(*) FROM t")
	a.must(order{Op: "begin", Name: "tx"})
	a.must(order{Op: "txexec", Name: "tx", SQL: "INSERT INTO t VALUES(1)"})
	a.stop()
	pid := fmt.Sprintf("pid %d", a.cmd.Process.Pid)
	eventually(t, "a status that says who holds the database", func() bool {
		said := func(n *node) bool {
			return strings.Contains(strings.Join(n.must(order{Op: "status"}).Status.Degraded, "\n"), pid)
		}
		return said(b) || said(c)
	})
	for _, n := range []*node{b, c} {
		if got := n.number("SELECT count(*) FROM t"); got != 0 {
			t.Errorf("%s reads %d rows of an open transaction", n.name, got)
		}
	}
	write := b.send(order{Op: "exec", SQL: "INSERT INTO t VALUES(2)"})
	a.resume()
	a.must(order{Op: "txexec", Name: "tx", SQL: "INSERT INTO t VALUES(3)"})
	a.must(order{Op: "commit", Name: "tx"})
	if got := b.await(write); got.Err != "" {
		t.Errorf("the write that waited: %s", got.Err)
	}
	if primaryOf(t, a, b, c) != a || epochOf(t, b) != 1 {
		t.Errorf("epoch %d; want the resumed one to be primary still", epochOf(t, b))
	}
	if got := c.number("SELECT count(*) FROM t"); got != 3 {
		t.Errorf("%d rows, want 3", got)
	}
	eventually(t, "a status without complaints", func() bool {
		return len(b.must(order{Op: "status"}).Status.Degraded)+len(c.must(order{Op: "status"}).Status.Degraded) == 0
	})
}
