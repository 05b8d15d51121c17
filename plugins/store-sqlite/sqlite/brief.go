package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
)

// briefOps are the instructions of SQLite's virtual machine that a program without
// a loop is made of: what reads one row by its key, and plain expressions. What is
// not named here, as it repeats or may repeat, makes a program that is not brief.
// See https://www.sqlite.org/opcode.html.
var briefOps = opSet(`Init Transaction Goto Halt OpenRead Close Once Noop
	SeekRowid NotExists SeekGE IdxGT IdxRowid DeferredSeek FinishSeek Found NotFound MustBeInt
	Column Rowid Variable Integer Int64 Real String String8 Blob Null Move Copy SCopy ResultRow
	Affinity RealAffinity Cast IsNull NotNull If IfNot Eq Ne Lt Le Gt Ge
	Add Subtract Multiply Divide Remainder Concat Function PureFunc`)

// maxBriefOps is how many instructions the driver runs between two looks at a
// context.
const maxBriefOps = 1000

func opSet(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// pace is what is known of a statement's program.
type pace uint8

const (
	paceNew   pace = iota // it has not run
	paceUsed              // it has run once: worth a look when it comes again
	paceBrief             // no loop, and one row at most
	paceLong
)

// start runs cs up to its first row. The driver starts a goroutine for each query
// whose context can end, which is a tenth of a point read, and looks at it every
// 1000 instructions. A brief program has fewer, so it is run without; ctx is
// looked at here. What the rows keep of ctx is call, nil if they keep nothing.
func (c *conn) start(ctx context.Context, cs *compiled, args []driver.NamedValue) (dr driver.Rows, call *callContext, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	switch cs.pace {
	case paceNew:
		cs.pace = paceUsed
	case paceUsed:
		cs.pace = paceLong
		if c.isBrief(cs.text, args) {
			cs.pace = paceBrief
		}
	}
	switch {
	case cs.pace == paceBrief:
		ctx = context.Background()
	case ctx.Done() != nil:
		call = &callContext{Context: ctx}
		ctx = call
	}
	asked := c.guard.asked
	dr, err = cs.stmt.QueryContext(ctx, args)
	if c.guard.asked != asked { // the schema changed, and the program with it
		cs.pace = paceNew
	}
	return dr, call, err
}

// isBrief asks the engine for the program of a statement that compiled, and reports
// whether it has no loop and gives one row at most. If the engine does not tell, the
// answer is no.
func (c *conn) isBrief(text string, args []driver.NamedValue) bool {
	s, err := c.raw.PrepareContext(context.Background(), "EXPLAIN "+text)
	if err != nil {
		return false
	}
	defer s.Close() // it changed nothing
	raw, ok := s.(rawStmt)
	if !ok {
		return false
	}
	dr, err := raw.QueryContext(context.Background(), args)
	if err != nil {
		return false
	}
	defer dr.Close()
	row := make([]driver.Value, len(dr.Columns())) // addr, opcode, p1, ...
	if len(row) < 2 {
		return false
	}
	results := 0
	for range maxBriefOps {
		err := dr.Next(row)
		if err == io.EOF {
			return results <= 1
		}
		op := toText(row[1])
		if err != nil || !briefOps[op] {
			return false
		}
		if op == "ResultRow" {
			results++
		}
	}
	return false
}
