package sqlite

import (
	"database/sql/driver"
	"strings"

	"github.com/ramet-io/ramet/sdk"
	engine "modernc.org/sqlite"
)

// SQLite's numbers of the operations; ramet_changes stores them.
const (
	opDelete = 9
	opInsert = 18
	opUpdate = 23
)

func changeOp(n int64) sdk.ChangeOp {
	switch n {
	case opDelete:
		return sdk.OpDelete
	case opUpdate:
		return sdk.OpUpdate
	}
	return sdk.OpInsert
}

// captured is a changed row as the pre-update hook told it.
// See https://www.sqlite.org/c3ref/preupdate_blobwrite.html.
type captured struct {
	table string
	op    int32
	rowid int64
}

// capture gathers the rows that the present request changed.
type capture struct {
	on     bool
	rows   []captured
	hidden map[string]bool // shadow tables of virtual tables
	keyed  map[string]bool // WITHOUT ROWID tables
}

// watch makes c gather changes. Without it nothing is gathered.
func (c *conn) watch() {
	c.guard.schema = true
	c.raw.RegisterPreUpdateHook(func(d engine.SQLitePreUpdateData) {
		c.inserted.see(d)
		if !c.capture.on || d.DatabaseName != "main" || isMeta(d.TableName) || strings.HasPrefix(d.TableName, "sqlite_") {
			return
		}
		id := d.NewRowID
		if d.Op == opDelete {
			id = d.OldRowID
		}
		c.capture.rows = append(c.capture.rows, captured{d.TableName, d.Op, id})
	})
}

const (
	sqlTables    = `SELECT name, type = 'shadow', wr FROM pragma_table_list WHERE schema = 'main' AND (type = 'shadow' OR wr)`
	sqlAddChange = `INSERT INTO ramet_changes VALUES (?, ?, ?, ?, ?, ?, ?)`
)

// learnTables reads which tables are special, if the schema may have changed.
func (c *conn) learnTables() error {
	if !c.guard.schema {
		return nil
	}
	c.capture.hidden, c.capture.keyed = map[string]bool{}, map[string]bool{}
	dest := make([]driver.Value, 3)
	err := c.each(dest, sqlTables, nil, func() bool {
		name := toText(dest[0])
		c.capture.hidden[name] = toInt(dest[1]) != 0
		c.capture.keyed[name] = toInt(dest[2]) != 0
		return true
	})
	c.guard.schema = err != nil // reading it compiled statements, so clear it last
	return err
}

// record writes the gathered rows to the change log, from position last+1, and
// returns the last position it gave. All carry the position of the first, so
// that a reader can keep them together.
func (c *conn) record(epoch, last uint64) (uint64, error) {
	rows := c.capture.rows
	c.capture.rows = c.capture.rows[:0]
	if len(rows) == 0 {
		return last, nil
	}
	if err := c.learnTables(); err != nil {
		return last, err
	}
	first := last + 1
	for _, r := range rows {
		if c.capture.hidden[r.table] {
			continue
		}
		keyed := int64(0)
		if c.capture.keyed[r.table] {
			keyed, r.rowid = 1, 0
		}
		if err := c.exec(sqlAddChange, int64(last+1), int64(first), int64(epoch), r.table, int64(r.op), r.rowid, keyed); err != nil {
			return last, err
		}
		last++
	}
	return last, nil
}
