package sqlite

import engine "modernc.org/sqlite"

// inserted finds out which rowid a statement gave. The engine's own number is the
// connection's, which others share: after an upsert that updated, or an insert
// into a table WITHOUT ROWID, it is somebody else's.
type inserted struct {
	table string // the statement's target; "": it is no INSERT
	seen  bool   // a row of the table changed
	gave  bool   // and one was new
	rowid int64  // the last new one
}

// see is told of each changed row before it changes.
func (i *inserted) see(d engine.SQLitePreUpdateData) {
	if i.table == "" || d.TableName != i.table || d.DatabaseName != "main" || d.Depth() != 0 {
		return
	}
	i.seen = true
	if d.Op == opInsert {
		i.gave, i.rowid = true, d.NewRowID
	}
}

// insertedID returns the rowid that the INSERT just run gave last, or 0. last is
// the engine's number, which is right for virtual tables: their rows are seen under
// other names.
func (c *conn) insertedID(last int64) (int64, error) {
	if !c.inserted.seen {
		return last, nil
	}
	if !c.inserted.gave {
		return 0, nil
	}
	rowid := c.inserted.rowid
	if err := c.learnTables(); err != nil || c.capture.keyed[c.inserted.table] {
		return 0, err
	}
	return rowid, nil
}
