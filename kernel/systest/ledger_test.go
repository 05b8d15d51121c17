//go:build unix

package systest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// ledger checks what nodes wrote against what was acknowledged to them: each key
// once, each increment once. What was in flight in a node that died may be there
// or not, but never twice.
type ledger struct {
	t       *testing.T
	loaded  map[string]*node
	settled map[string]bool // ended in good order, so that every outcome is known
	left    map[string]bool // left in good order while writing
}

// ledgerWrite is one atomic write: a row, and a count.
const ledgerWrite = `INSERT INTO entries(key, name) VALUES(:key, :name)`

// newLedger makes the tables, through n.
func newLedger(t *testing.T, n *node) *ledger {
	t.Helper()
	n.exec(`CREATE TABLE entries(id INTEGER PRIMARY KEY, key TEXT, name TEXT)`) // key not unique: a double must show
	n.exec(`CREATE TABLE counts(name TEXT PRIMARY KEY, n INTEGER)`)
	n.exec(`CREATE TRIGGER counted AFTER INSERT ON entries BEGIN
		INSERT INTO counts VALUES(new.name, 1) ON CONFLICT(name) DO UPDATE SET n = n + 1; END`)
	return &ledger{t: t, loaded: map[string]*node{}, settled: map[string]bool{}, left: map[string]bool{}}
}

// load makes n write until settle.
func (l *ledger) load(n *node) {
	l.t.Helper()
	l.loaded[n.name] = n
	n.must(order{Op: "load", Name: n.name, SQL: ledgerWrite})
}

// await waits until n has had some more writes acknowledged.
func (l *ledger) await(n *node, more int) {
	l.t.Helper()
	acked, _ := n.news()
	from := len(acked)
	eventually(l.t, fmt.Sprintf("%d more writes of %s", more, n.name), func() bool {
		acked, _ := n.news()
		return len(acked) >= from+more
	})
}

// progress waits until each of nodes has had writes acknowledged from now on: two,
// for the first may have been on its way already.
func (l *ledger) progress(nodes ...*node) {
	l.t.Helper()
	for _, n := range nodes {
		l.await(n, 2)
	}
}

// settle ends the loads of nodes. No write of theirs may have failed.
func (l *ledger) settle(nodes ...*node) {
	l.t.Helper()
	for _, n := range nodes {
		if l.loaded[n.name] != n {
			continue
		}
		n.must(order{Op: "unload", Name: n.name})
		l.settled[n.name] = true
	}
}

// check compares what n reads with every acknowledgement.
func (l *ledger) check(n *node) {
	l.t.Helper()
	times := map[string]int{}
	for _, row := range n.query("SELECT key, count(*) FROM entries GROUP BY key") {
		times[fmt.Sprint(row[0])] = int(row[1].(float64))
	}
	counts := map[string]int{}
	for _, row := range n.query("SELECT name, n FROM counts") {
		counts[fmt.Sprint(row[0])] = int(row[1].(float64))
	}
	for key, c := range times {
		if c != 1 {
			l.t.Errorf("%s: %s was applied %d times", n.name, key, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.loaded)) {
		l.checkOne(n, name, times, counts[name])
	}
	if got := n.query("PRAGMA integrity_check"); fmt.Sprint(got) != "[[ok]]" {
		l.t.Errorf("%s: integrity_check: %v", n.name, got)
	}
}

func (l *ledger) checkOne(n *node, name string, times map[string]int, count int) {
	l.t.Helper()
	acked, faults := l.loaded[name].news()
	for _, f := range faults {
		if !l.left[name] || !strings.Contains(f, sdk.ErrClosed.Error()) {
			l.t.Errorf("a write of %s failed: %s", name, f)
		}
	}
	for _, key := range acked {
		if times[key] == 0 {
			l.t.Errorf("%s: %s was acknowledged and is not there", n.name, key)
		}
	}
	doubt := 1 // the one in flight when it ended
	if l.settled[name] {
		doubt = 0
	}
	if count < len(acked) || count > len(acked)+doubt {
		l.t.Errorf("%s: %s had %d increments acknowledged (%d in doubt), the count is %d", n.name, name, len(acked), doubt, count)
	}
}

// checkFeed compares a feed of n with the table: each row once, in commit order.
func (l *ledger) checkFeed(n *node, feed string) {
	l.t.Helper()
	want := n.number("SELECT count(*) FROM entries")
	var entries [][]any
	eventually(l.t, fmt.Sprintf("feed of %s with %d entries", n.name, want), func() bool {
		entries = nil
		for _, c := range n.must(order{Op: "seen", Name: feed}).Rows {
			if c[0] == "entries" || c[1] == string(sdk.OpGap) {
				entries = append(entries, c)
			}
		}
		return len(entries) >= want
	})
	seen, last := map[any]int{}, float64(0)
	for _, c := range entries {
		if c[1] != string(sdk.OpInsert) {
			l.t.Errorf("%s: a %v in the feed, want inserts only", n.name, c[1])
		}
		if at := c[3].(float64); at <= last {
			l.t.Errorf("%s: position %v after %v", n.name, at, last)
		} else {
			last = at
		}
		seen[c[2]]++
	}
	for id, times := range seen {
		if times != 1 {
			l.t.Errorf("%s: row %v came %d times", n.name, id, times)
		}
	}
	if len(seen) != want {
		l.t.Errorf("%s: the feed has %d rows, the table %d", n.name, len(seen), want)
	}
}

// leave ends a node that may be writing in good order.
func (l *ledger) leave(n *node, way string) {
	l.t.Helper()
	l.left[n.name] = true
	if way == "close" {
		n.must(order{Op: "close"})
		n.must(order{Op: "unload", Name: n.name})
		l.settled[n.name] = true
		return
	}
	n.signal(syscall.SIGTERM)
	<-n.gone
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		l.t.Errorf("%s: exit code %d after %s", n.name, code, way)
	}
}
