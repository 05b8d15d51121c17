//go:build unix

package systest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// seeded returns a source of random numbers and prints how to repeat it.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("RAMET_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("RAMET_TEST_SEED: %v", err)
		}
	}
	t.Logf("RAMET_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestKilledPrimaryIsReplaced: a secondary that is writing sees no error, nothing
// acknowledged is lost and nothing is applied twice.
func TestKilledPrimaryIsReplaced(t *testing.T) {
	dir := t.TempDir()
	nodes := []*node{join(t, dir, "a"), join(t, dir, "b"), join(t, dir, "c")}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		l.load(n)
	}
	l.progress(nodes...)
	victim := primaryOf(t, nodes...)
	if victim != nodes[0] {
		t.Fatalf("%s is primary before anything happened", victim.name)
	}
	victim.kill()
	primaryOf(t, nodes[1:]...)
	l.progress(nodes[1:]...)
	l.settle(nodes[1:]...)
	l.check(nodes[1])
	if got := epochOf(t, nodes[1]); got != 2 {
		t.Errorf("epoch %d after one loss, want 2", got)
	}
}

// TestOneIncrementAppliedOnceDespiteRetries: in the system ramet replaces, retries
// applied one logical increment three times. Primaries are killed at random moments
// while every node counts up, and follows the feed.
func TestOneIncrementAppliedOnceDespiteRetries(t *testing.T) {
	random := seeded(t)
	dir := t.TempDir()
	nodes := []*node{join(t, dir, "a"), join(t, dir, "b"), join(t, dir, "c")}
	l := newLedger(t, nodes[0])
	for _, n := range nodes {
		l.load(n)
	}
	kills := 8
	if testing.Short() {
		kills = 3
	}
	for k := range kills {
		l.progress(nodes...)
		victim := primaryOf(t, nodes...)
		l.await(victim, random.IntN(30))
		victim.kill()
		for n := range nodes {
			if nodes[n] == victim {
				nodes[n] = join(t, dir, fmt.Sprintf("%s%d", victim.name[:1], k))
				l.load(nodes[n])
			}
		}
	}
	l.progress(nodes...)
	primary := primaryOf(t, nodes...)
	l.settle(nodes...)
	for _, n := range nodes {
		l.check(n)
	}
	if got := epochOf(t, primary); got != uint64(kills)+1 {
		t.Errorf("epoch %d after %d kills, want one promotion each", got, kills)
	}
}

// TestKilledPrimaryLosesInteractiveTransactions: they cannot be moved, so they end
// with ErrTxLost, without effect, and can be run again at once.
func TestKilledPrimaryLosesInteractiveTransactions(t *testing.T) {
	dir := t.TempDir()
	a, b := join(t, dir, "a"), join(t, dir, "b")
	a.exec("CREATE TABLE t(x)")
	b.must(order{Op: "begin", Name: "tx"})
	b.must(order{Op: "txexec", Name: "tx", SQL: "INSERT INTO t VALUES('lost')"})
	a.kill()
	for _, op := range []string{"txexec", "commit"} {
		if got := b.do(order{Op: op, Name: "tx", SQL: "INSERT INTO t VALUES('lost')"}); got.Code != sdk.CodeOf(sdk.ErrTxLost) {
			t.Errorf("%s after the primary was lost: %q, want ErrTxLost", op, got.Err)
		}
	}
	b.must(order{Op: "begin", Name: "again"})
	b.must(order{Op: "txexec", Name: "again", SQL: "INSERT INTO t VALUES('kept')"})
	b.must(order{Op: "commit", Name: "again"})
	if got := fmt.Sprint(b.query("SELECT x FROM t")); got != "[[kept]]" {
		t.Errorf("rows %s, want [[kept]]", got)
	}
}

// TestKilledDuringCommit: whoever commits while the primary dies is told the truth.
func TestKilledDuringCommit(t *testing.T) {
	random := seeded(t)
	dir := t.TempDir()
	a, b := join(t, dir, "a"), join(t, dir, "b")
	a.exec("CREATE TABLE t(x)")
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	applied := 0
	for r := range rounds {
		victim := primaryOf(t, a, b)
		other := a
		if victim == a {
			other = b
		}
		other.must(order{Op: "begin", Name: "tx"})
		other.must(order{Op: "txexec", Name: "tx", SQL: "INSERT INTO t VALUES(?)", Args: []any{r}})
		outcome := other.send(order{Op: "commit", Name: "tx"})
		spin(time.Duration(random.IntN(6000)) * time.Microsecond)
		victim.kill()
		got := other.await(outcome)
		want := 0
		switch {
		case got.Err == "":
			want = 1
			applied++
		case got.Code != sdk.CodeOf(sdk.ErrTxLost):
			t.Errorf("round %d: %s; want success or ErrTxLost", r, got.Err)
		}
		if n := other.number("SELECT count(*) FROM t WHERE x = ?", r); n != want {
			t.Errorf("round %d: commit said %q, and there are %d rows", r, got.Err, n)
		}
		a, b = other, join(t, dir, fmt.Sprintf("n%d", r))
	}
	t.Logf("%d of %d commits were applied", applied, rounds)
}

// spin lets d pass: what is random about the moment of a kill.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// TestFeedOfSurvivorsSeesEveryRowOnce, in commit order, also when one primary
// after the other is killed.
func TestFeedOfSurvivorsSeesEveryRowOnce(t *testing.T) {
	dir := t.TempDir()
	candidates := []*node{join(t, dir, "a"), join(t, dir, "b"), join(t, dir, "c")}
	l := newLedger(t, candidates[0])
	survivor := join(t, dir, "survivor", func(o *bootOptions) { o.NoFailover = true })
	survivor.must(order{Op: "follow", Name: "feed"})
	all := append(candidates, survivor)
	for _, n := range all {
		l.load(n)
	}
	for len(all) > 2 {
		l.progress(all...)
		victim := primaryOf(t, all...)
		victim.kill()
		all = slices.DeleteFunc(all, func(n *node) bool { return n == victim })
	}
	l.progress(all...)
	l.settle(all...)
	l.check(survivor)
	l.checkFeed(survivor, "feed")
}

// TestWritesFailAtOnceWithoutAnyoneToPromote: nobody has failover enabled, so no
// primary will come, and a call without a deadline must not hang. The call's own
// bound is far beyond the patience of the test.
func TestWritesFailAtOnceWithoutAnyoneToPromote(t *testing.T) {
	dir := t.TempDir()
	off := func(o *bootOptions) { o.NoFailover, o.CallTimeout = true, time.Hour }
	a, b := join(t, dir, "a", off), join(t, dir, "b", off)
	a.exec("CREATE TABLE t(x)")
	a.kill()
	// The first may have been on the link when that broke, which is known of it then.
	unknown := sdk.CodeOf(sdk.ErrOutcomeUnknown)
	for _, o := range []order{
		{Op: "exec", SQL: "INSERT INTO t VALUES(1)"},
		{Op: "exec", SQL: "INSERT INTO t VALUES(1)"},
		{Op: "begin", Name: "tx"},
	} {
		if got := b.do(o); got.Code != sdk.CodeOf(sdk.ErrUnavailable) && got.Code != unknown || got.Late {
			t.Errorf("%s with nobody to promote: %q, want ErrUnavailable", o.Op, got.Err)
		}
		unknown = sdk.CodeOf(sdk.ErrUnavailable)
	}
	if got := b.number("SELECT count(*) FROM t"); got != 0 {
		t.Errorf("%d rows, want 0", got)
	}
	b.must(order{Op: "failover", On: true}) // and now somebody has
	b.exec("INSERT INTO t VALUES(2)")
	primaryOf(t, b)
}

// TestLeavingInGoodOrderHandsOver at once: the lease time is far beyond the
// patience of the test, so silence alone would promote nobody.
func TestLeavingInGoodOrderHandsOver(t *testing.T) {
	for _, way := range []string{"close", "SIGTERM"} {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			long := func(o *bootOptions) { o.TTL = time.Hour }
			nodes := []*node{join(t, dir, "a", long), join(t, dir, "b", long), join(t, dir, "c", long)}
			l := newLedger(t, nodes[0])
			for _, n := range nodes {
				l.load(n)
			}
			l.progress(nodes...)
			l.leave(nodes[0], way)
			primaryOf(t, nodes[1:]...)
			l.progress(nodes[1:]...)
			l.settle(nodes[1:]...)
			l.check(nodes[2])
			if got := epochOf(t, nodes[1]); got != 2 {
				t.Errorf("epoch %d after one hand-over, want 2", got)
			}
		})
	}
}
