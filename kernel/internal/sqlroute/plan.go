package sqlroute

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// Limits of the cache of plans of one session. A text is cached to spare point
// queries the way to the backend; long texts run long.
const (
	maxPlans     = 128
	maxPlanBytes = 8 << 10
)

// plan is what is known of a text. Only what can never change about it is kept:
// an error, like a missing table, is asked for again.
type plan struct {
	prepared sdk.Prepared
	parts    int      // statements, as counted here
	script   []string // the statements, if there are several
	apart    bool     // run them one by one, since some control transactions or settings, or ask for the session's numbers
	atomic   bool     // in one transaction, if there is none
	control  control
	setting  setting
	answer   []answer // not nil: the session answers it
	calls    []call   // where the session's numbers are asked for
	total    bool     // it asks for total_changes()
	inserts  bool     // may set the last insert rowid
	counts   bool     // may set the number of changes
}

// look reads everything but prepared from the text itself.
func look(text string) *plan {
	statements := split(text)
	p := &plan{parts: len(statements)}
	apart, numbers := false, false
	for _, s := range statements {
		c, set := controlOf(s), settingOf(s)
		apart = apart || c.verb != verbNone || set.name != ""
		p.inserts = p.inserts || s.inserts()
		p.counts = p.counts || s.counts()
		p.total = p.total || s.asksTotal()
		calls := callsOf(s)
		numbers = numbers || len(calls) > 0
		if len(statements) == 1 {
			p.control, p.setting, p.answer, p.calls = c, set, answersOf(s), calls
		}
	}
	if len(statements) > 1 {
		p.apart, p.atomic = apart || numbers, !apart
		for _, s := range statements {
			p.script = append(p.script, s.source())
		}
	}
	return p
}

// here reports whether the text is handled in this package, so that the backend
// need not be asked what it is.
func (p *plan) here() bool {
	return p.parts == 0 || p.apart || p.control.verb != verbNone || p.setting.name != "" || p.answer != nil
}

// plan returns what is known of text. Inside a writing transaction a text that does not
// compile gives a plan of a write: what it needs may exist only in there, and the
// transaction tells better.
func (c *conn) plan(ctx context.Context, text string) (*plan, error) {
	if p, ok := c.plans[text]; ok {
		return p, nil
	}
	p := look(text)
	if !p.here() {
		prepared, err := c.b.Prepare(ctx, text)
		var sqlError *sdk.SQLError
		if c.tx != nil && !c.tx.readOnly && errors.As(err, &sqlError) {
			p.prepared.Kind = sdk.KindWrite
			return p, nil
		}
		if err != nil {
			return nil, safe(err)
		}
		p.prepared = prepared
	}
	if len(text) <= maxPlanBytes {
		if len(c.plans) >= maxPlans {
			clear(c.plans)
		}
		c.plans[text] = p
	}
	return p, nil
}

// allowed says whether the session may run p at this moment.
func (c *conn) allowed(p *plan) error {
	switch {
	case p.prepared.Kind == sdk.KindRefused:
		return fmt.Errorf("%w: %s", sdk.ErrUnsupported, p.prepared.Reason)
	case p.prepared.Kind == sdk.KindControl:
		return fmt.Errorf("%w: this text controls a transaction in a way that cannot be routed; use BeginTx", sdk.ErrUnsupported)
	case p.total && (c.tx == nil || c.tx.readOnly):
		return fmt.Errorf("%w: total_changes() outside a transaction for writing, because the writer is shared; use changes()", sdk.ErrUnsupported)
	case p.prepared.Kind == sdk.KindWrite && c.tx != nil && c.tx.readOnly:
		return fmt.Errorf("%w: a write in a read-only transaction; begin it without ReadOnly", sdk.ErrReadOnly)
	}
	return nil
}
