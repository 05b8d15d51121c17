package sqlite

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

// A promotion's first transactions run beside nobody's patience, and on a new
// connection most of their time goes into compiling. So a handle that is opened for
// writing compiles ahead what every write needs, and what the other handles of this
// process have seen their application write. Until Advance it may also do so later.

// hot are our own statements of an Advance and of a write.
var hot = []string{
	"BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT ramet", "RELEASE ramet",
	sqlReadMeta, sqlSetOwner, sqlOldWrites, sqlOldFloors, sqlFirstChange, sqlEpoch,
	sqlFloor, sqlTop, sqlResult, sqlAddWrite, sqlSetFloor, sqlDelWrites, sqlAddChange,
}

// maxWarm bounds the application's texts that are compiled ahead.
const maxWarm = maxStatements / 2

// warm prepares the write connection of a handle that nobody else has yet. What
// fails is compiled when it is needed, and says so then.
func (d *db) warm(ctx context.Context) {
	d.w.guard.internal = true
	for _, text := range hot {
		_, _ = d.w.statement(text)
	}
	d.w.guard.internal = false
	_ = d.w.learnTables()
	if d.kin == nil {
		return
	}
	n := 0
	for _, k := range d.kin() {
		for _, text := range k.texts.writes() {
			if n++; n <= maxWarm {
				d.w.warm(ctx, text)
			}
		}
	}
}

func (c *conn) warm(ctx context.Context, text string) {
	if cs, err := c.compile(ctx, text); err == nil {
		c.release(cs)
	}
}

// pass tells the handles that wait for an Advance of a text that was classified. It
// never waits for them.
func (d *db) pass(ctx context.Context, text string, p sdk.Prepared) {
	if d.kin == nil || !warms(p) {
		return
	}
	for _, k := range d.kin() {
		if k.w == nil || k.gate.enter() != nil {
			continue
		}
		select {
		case k.turn <- struct{}{}:
			if k.lineage == "" { // not the owner, who compiles what it runs
				k.w.warm(ctx, text)
			}
			<-k.turn
		default:
		}
		k.gate.leave()
	}
}

// warms reports whether a text is worth compiling ahead: a write in one statement.
func warms(p sdk.Prepared) bool { return p.Kind == sdk.KindWrite && p.Statements == 1 }

// writes returns the texts that are worth compiling ahead.
func (t *texts) writes() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var w []string
	for text, p := range t.seen {
		if warms(p) {
			w = append(w, text)
		}
	}
	return w
}
