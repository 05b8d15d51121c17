package systest

import (
	"context"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// limit bounds every wait of the tests that run several instances in this
// process. It is no part of what they assert.
const limit = 20 * time.Second

// try is boot for a Bootstrap that may fail.
func try(t *testing.T, dir string, change ...func(*kernel.Config)) (*kernel.Instance, error) {
	t.Helper()
	cfg := kernel.Config{Workdir: dir, Plugins: plugins(t), Failover: true, TTL: 500 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	i, err := kernel.Bootstrap(within(t), cfg)
	if (i == nil) == (err == nil) {
		t.Fatalf("Bootstrap returned instance %v and error %v", i, err)
	}
	if i != nil {
		t.Cleanup(func() { i.Close() })
	}
	return i, err
}

// within returns a context that ends when patience does.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
		time.Sleep(time.Millisecond) // between two looks, bounded above
	}
}

// noFailover is boot's option for an instance that never stands for promotion.
func noFailover(c *kernel.Config) { c.Failover = false }

func named(id string) func(*kernel.Config) {
	return func(c *kernel.Config) { c.InstanceID = id }
}

// dataAt is boot's option for a database outside of the workspace.
func dataAt(path string) func(*kernel.Config) {
	return func(c *kernel.Config) { c.DataPath = path }
}

// onePrimary fails t unless exactly one of them is primary, and returns it first.
func onePrimary(t *testing.T, all ...*kernel.Instance) (primary *kernel.Instance, others []*kernel.Instance) {
	t.Helper()
	for _, i := range all {
		switch {
		case i.Role() != sdk.Primary:
			others = append(others, i)
		case primary != nil:
			t.Fatalf("%s and %s are both primary", primary.ID(), i.ID())
		default:
			primary = i
		}
	}
	if primary == nil {
		t.Fatal("nobody is primary")
	}
	return primary, others
}

// meets fails t unless the instances form one workspace: a row written through
// each is read through each.
func meets(t *testing.T, all ...*kernel.Instance) {
	t.Helper()
	mustExec(t, all[0], "CREATE TABLE IF NOT EXISTS met(id TEXT)")
	mustExec(t, all[0], "DELETE FROM met")
	for _, i := range all {
		mustExec(t, i, "INSERT INTO met VALUES(?)", i.Incarnation())
	}
	for _, i := range all {
		until(t, i.ID()+" sees all rows", func() bool { return count(t, i, "SELECT count(*) FROM met") == len(all) })
	}
}
