package sqlite

import (
	"context"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// maxTexts bounds how many texts are remembered as classified.
const maxTexts = 2000

// texts remembers what Prepare found. A text that compiled keeps its kind
// whatever the schema becomes: reading and writing follow from its words (see
// usage.about). If it no longer compiles, running it says so. The zero value is ready.
type texts struct {
	mu   sync.RWMutex
	seen map[string]sdk.Prepared // guarded by mu
}

func (t *texts) get(text string) (sdk.Prepared, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, ok := t.seen[text]
	return p, ok
}

func (t *texts) put(text string, p sdk.Prepared) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil || len(t.seen) >= maxTexts {
		t.seen = map[string]sdk.Prepared{} // rare enough to start over
	}
	t.seen[text] = p
}

// Prepare implements sdk.DB.
func (d *db) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	if err := d.gate.enter(); err != nil {
		return sdk.Prepared{}, err
	}
	defer d.gate.leave()
	if p, ok := d.texts.get(text); ok {
		return p, nil
	}
	c, err := d.readers.get(ctx)
	if err != nil {
		return sdk.Prepared{}, openError(d.path, err)
	}
	var p sdk.Prepared
	keep := false
	err = retry(ctx, func() (err error) { p, keep, err = c.classify(text); return err })
	d.readers.put(c, isFatal(err))
	if err != nil {
		return sdk.Prepared{}, err
	}
	if keep {
		d.texts.put(text, p)
		d.pass(ctx, text, p)
	}
	return p, nil
}

// classify compiles the statements of a text without running any. Several go to
// one side together: one write makes them all a write. keep is false when the
// answer depends on the schema.
func (c *conn) classify(text string) (p sdk.Prepared, keep bool, err error) {
	parts := split(text)
	p = sdk.Prepared{Kind: sdk.KindRead, Statements: len(parts), Params: -1}
	keep = true
	controls := 0
	for i, part := range parts {
		uses, returns, err := c.describe(part)
		switch {
		case uses.refused != "" && !uses.ours:
			return sdk.Prepared{Kind: sdk.KindRefused, Statements: len(parts), Params: -1, Reason: uses.refused}, true, nil
		case uses.ours && err != nil:
			return sdk.Prepared{}, false, refusal(uses)
		case err != nil && i > 0 && p.Kind == sdk.KindWrite:
			keep = false // it may need what an earlier statement creates
			p.Kind = sdk.KindWrite
		case err != nil:
			return sdk.Prepared{}, false, err
		}
		if uses.writes {
			p.Kind = sdk.KindWrite
		}
		if uses.control || uses.savepoint != "" {
			controls++
		}
		p.Returns = returns
	}
	switch {
	case len(parts) == 1:
		p.Params = countParams(parts[0])
		if controls > 0 {
			p.Kind = sdk.KindControl
		}
	case len(parts) == 0:
		p.Params = 0
	case controls > 0:
		return sdk.Prepared{Kind: sdk.KindRefused, Statements: len(parts), Params: -1,
			Reason: "BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE must be texts of their own"}, true, nil
	}
	return p, keep, nil
}

// describe compiles one statement.
func (c *conn) describe(part string) (u usage, returns bool, err error) {
	word := firstWord(part)
	if word == "vacuum" {
		return usage{refused: vacuumReason}, false, nil
	}
	c.guard.saw = usage{}
	columns, err := c.raw.ColumnInfo(hideMeta(part))
	u = c.guard.saw
	if err != nil {
		return u, false, sqlError(err)
	}
	u.about(word)
	return u, len(columns) > 0, nil
}

// about takes into account what the first word of a statement that compiled says
// better than compiling it. EXPLAIN only describes what it names. What defines the
// schema writes even if IF EXISTS finds that there is nothing to do, because that
// may be different when it runs; SQLite's sqlite3_stmt_readonly says so too.
func (u *usage) about(word string) {
	switch word {
	case "explain":
		*u = usage{refused: u.refused, ours: u.ours}
	case "create", "drop", "alter", "reindex", "analyze":
		u.writes = true
	}
}
