package demo

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
)

// The checker must see what the kernel must not do: these are its negative
// controls.

// scene is a director with one living node that acknowledged keys 1 to 3 as rows
// 11 to 13 and whose feed showed them.
func scene() (*director, *child) {
	c := &child{name: "n1.0", seen: map[int64]int{11: 1, 12: 1, 13: 1}}
	d := &director{slots: []*child{c}, all: []*child{c}}
	for n := int64(1); n <= 3; n++ {
		c.acks = append(c.acks, ack{key: n, row: 10 + n})
		d.rows = append(d.rows, 10+n)
	}
	return d, c
}

func heldByScene() map[key][]int64 {
	return map[key][]int64{{"n1.0", 1}: {11}, {"n1.0", 2}: {12}, {"n1.0", 3}: {13}}
}

func TestCheckSeesEachFault(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(d *director, c *child, held map[key][]int64)
		want  Result
	}{
		{"nothing", func(*director, *child, map[key][]int64) {}, Result{Feed: Feed{Rows: 3}}},
		{"unacknowledged and there once", func(_ *director, c *child, held map[key][]int64) {
			held[key{"n1.0", 4}], c.seen[14] = []int64{14}, 1
		}, Result{Feed: Feed{Rows: 4}}},
		{"lost", func(_ *director, _ *child, held map[key][]int64) { delete(held, key{"n1.0", 2}) },
			Result{Lost: 1, Feed: Feed{Rows: 3, Unexpected: 1}}},
		{"duplicated", func(_ *director, c *child, held map[key][]int64) {
			held[key{"n1.0", 2}], c.seen[20] = []int64{12, 20}, 1
		}, Result{Duplicated: 1, Feed: Feed{Rows: 4}}},
		{"unacknowledged and there twice", func(_ *director, c *child, held map[key][]int64) {
			held[key{"n1.0", 4}], c.seen[14], c.seen[15] = []int64{14, 15}, 1, 1
		}, Result{Duplicated: 1, Feed: Feed{Rows: 5}}},
		{"misreported", func(_ *director, c *child, _ map[key][]int64) { c.acks[0].row = 12 },
			Result{Misreported: 1, Feed: Feed{Rows: 3}}},
		{"missing in the feed", func(_ *director, c *child, _ map[key][]int64) { delete(c.seen, 12) },
			Result{Feed: Feed{Rows: 2, Missing: 1}}},
		{"twice in the feed", func(_ *director, c *child, _ map[key][]int64) { c.seen[12] = 2 },
			Result{Feed: Feed{Rows: 4, Duplicated: 1}}},
		{"behind a gap", func(_ *director, c *child, _ map[key][]int64) {
			delete(c.seen, 11)
			c.gaps, c.covered = 1, 1
		}, Result{Feed: Feed{Rows: 2, Gaps: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, node := scene()
			held := heldByScene()
			c.spoil(d, node, held)
			var got Result
			d.compare(&got, held)
			d.compareFeeds(&got, held)
			if got.Lost != c.want.Lost || got.Duplicated != c.want.Duplicated ||
				got.Misreported != c.want.Misreported || got.Feed != c.want.Feed {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			got.Integrity = "ok"
			bad := got.Lost+got.Duplicated+got.Misreported+got.Feed.Missing+got.Feed.Duplicated+got.Feed.Unexpected > 0
			if (got.Err() != nil) != bad {
				t.Errorf("Err is %v", got.Err())
			}
		})
	}
}

func TestCheckSeesDamage(t *testing.T) {
	cfg, asm, err := config(t.Context(), "", t.TempDir(), "check", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer asm.Close()
	inst, err := kernel.Bootstrap(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	run := func(text string) {
		t.Helper()
		if _, err := inst.DB().ExecContext(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	run(`INSERT INTO sessions(id, node, started) VALUES (1, 'n', 0)`)
	run(`INSERT INTO messages(id, session_id, node, n, body) VALUES (1, 1, 'n', 1, 'words')`)
	if got, err := integrity(t.Context(), inst); err != nil || got != "ok" {
		t.Fatalf("undamaged: got %q, %v", got, err)
	}
	run(`UPDATE sessions SET messages = 5`)
	if got, err := integrity(t.Context(), inst); err != nil || !strings.Contains(got, "session 1 counts 5") {
		t.Errorf("count: got %q, %v", got, err)
	}
	run(`UPDATE sessions SET messages = 1`)
	run(`UPDATE messages SET body = 'other'`) // no trigger: the index now differs
	if got, err := integrity(t.Context(), inst); err != nil || !strings.Contains(got, "full-text index") {
		t.Errorf("index: got %q, %v", got, err)
	}
}

func TestGapIsTheLongestAroundTheKill(t *testing.T) {
	at := func(ms ...int) *child {
		c := &child{}
		for _, m := range ms {
			c.acks = append(c.acks, ack{at: time.Duration(m) * time.Millisecond})
		}
		return c
	}
	k := kill{at: 100 * time.Millisecond, promoted: 110 * time.Millisecond,
		// The first had an acknowledgement on its way at the kill; its real gap comes after.
		survivors: []*child{at(10, 99, 101, 116, 117), at(95, 112), at(90)}}
	if got, want := k.gap(), 17*time.Millisecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQuantiles(t *testing.T) {
	var d []time.Duration
	for i := 200; i > 0; i-- {
		d = append(d, time.Duration(i)*time.Millisecond)
	}
	before := slices.Clone(d)
	if got, want := Quantiles(d), (Quantile{P50: 100, P99: 198, Max: 200, Count: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(d, before) {
		t.Error("the argument was sorted")
	}
	if got := Quantiles(nil); got != (Quantile{}) {
		t.Errorf("of nothing: got %+v", got)
	}
}
