package remote

import (
	"io"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

func (f *far) store(r *request) error {
	switch {
	case r.op >= opRowsNext:
		return f.cursor(r)
	case r.op >= opTxExec:
		return f.tx(r)
	case r.op >= opDBBegin:
		return f.read(r)
	case r.op >= opDBStatus:
		return f.write(r)
	}
	s, err := served(r, f.opened().Store())
	if err != nil {
		return err
	}
	o, err := wire.DecodeOpenOptions(r.body)
	if err != nil {
		return err
	}
	switch r.op {
	case opStoreResourceKey:
		key, err := s.ResourceKey(r, o)
		return reply(r, key, err, appendText)
	case opStoreOpen:
		db, err := s.Open(r, o)
		return made(f, r, db, nil, err, appendRaw)
	}
	return errUnknownOp(r)
}

// write is what changes a database, and the questions about that.
func (f *far) write(r *request) error {
	db, err := object[sdk.DB](f, r)
	if err != nil {
		return err
	}
	switch r.op {
	case opDBStatus:
		s, err := db.Status(r)
		return reply(r, s, err, wire.AppendStoreStatus)
	case opDBAdvance:
		fence, err := wire.DecodeFence(r.body)
		if err != nil {
			return err
		}
		g, err := db.Advance(r, fence)
		return reply(r, g, err, wire.AppendGrant)
	case opDBSetSchema:
		version, err := decodeVersion(r.body)
		if err != nil {
			return err
		}
		return db.SetSchema(r, r.epoch, version)
	case opDBApply:
		list, err := wire.DecodeRequests(r.body)
		if err != nil {
			return err
		}
		results, err := db.Apply(r, r.epoch, list)
		return reply(r, fitting(results), err, wire.AppendResults)
	case opDBOutcome:
		id, err := wire.DecodeWriteID(r.body)
		if err != nil {
			return err
		}
		res, err := db.Outcome(r, r.epoch, id)
		return reply(r, res, err, wire.AppendResult)
	}
	return errUnknownOp(r)
}

// read is everything else that a database does.
func (f *far) read(r *request) error {
	db, err := object[sdk.DB](f, r)
	if err != nil {
		return err
	}
	switch r.op {
	case opDBBegin:
		o, err := wire.DecodeTxOptions(r.body)
		if err != nil {
			return err
		}
		tx, err := db.Begin(r, r.epoch, o)
		return made(f, r, tx, nil, err, appendRaw)
	case opDBPrepare:
		p, err := db.Prepare(r, string(r.body))
		return reply(r, p, err, wire.AppendPrepared)
	case opDBQuery:
		q, err := wire.DecodeQuery(r.body)
		if err != nil {
			return err
		}
		rows, err := db.Query(r, q)
		return f.rows(r, rows, err)
	case opDBChanges:
		from, err := wire.DecodePosition(r.body)
		if err != nil {
			return err
		}
		feed, err := db.Changes(r, from)
		return made(f, r, feed, nil, err, appendRaw)
	case opDBSnapshot:
		feed, err := db.Snapshot(r)
		return made(f, r, feed, nil, err, appendRaw)
	case opDBClose: // idempotent, so it stays known
		return db.Close(r)
	}
	return errUnknownOp(r)
}

func (f *far) tx(r *request) error {
	tx, err := object[sdk.Tx](f, r)
	if err != nil {
		if r.op == opTxRollback {
			return nil // it has ended
		}
		return err
	}
	switch r.op {
	case opTxExec:
		s, err := wire.DecodeStatement(r.body)
		if err != nil {
			return err
		}
		res, err := tx.Exec(r, s)
		return reply(r, res, err, wire.AppendResult)
	case opTxQuery:
		s, err := wire.DecodeStatement(r.body)
		if err != nil {
			return err
		}
		rows, err := tx.Query(r, s)
		return f.rows(r, rows, err)
	case opTxCommit:
		req, err := wire.DecodeRequest(r.body)
		if err != nil {
			return err
		}
		res, err := tx.Commit(r, req)
		if err == nil {
			f.forget(r)
		}
		return reply(r, res, err, wire.AppendResult)
	case opTxRollback:
		f.forget(r)
		return tx.Rollback(r)
	}
	return errUnknownOp(r)
}

// rows answers a query with its first block. If nothing follows, the rows are
// closed here and no object is made: a small read crosses once.
func (f *far) rows(r *request, rows sdk.Rows, err error) error {
	if err != nil {
		return err
	}
	o := opened{columns: rows.Columns()}
	o.first, o.err = rows.Next(r)
	if o.err == nil && !o.first.Last {
		return made(f, r, rows, o, nil, appendOpened)
	}
	if err := rows.Close(); err != nil && o.err == nil {
		o.err = err
	}
	return reply(r, o, nil, appendOpened)
}

func (f *far) cursor(r *request) error {
	switch r.op {
	case opRowsNext:
		rows, err := object[sdk.Rows](f, r)
		if err != nil {
			return err
		}
		b, err := rows.Next(r)
		return reply(r, b, err, wire.AppendBlock)
	case opFeedNext:
		feed, err := object[sdk.Feed](f, r)
		if err != nil {
			return err
		}
		list, err := feed.Next(r)
		return reply(r, list, err, wire.AppendChanges)
	case opRowsClose, opFeedClose:
		c, err := object[io.Closer](f, r)
		if err != nil {
			return nil // closed before
		}
		f.forget(r)
		return c.Close()
	}
	return errUnknownOp(r)
}

// fitting takes the rows out of results that would not fit into a frame: they are
// applied, and say so.
func fitting(results []sdk.Result) []sdk.Result {
	const room = maxBody - maxFrame
	size := 0
	for i := range results {
		if len(results[i].Rows) == 0 {
			continue
		}
		n := len(wire.AppendResult(nil, results[i]))
		if size += n; size > room {
			size -= n
			results[i] = sdk.Result{Position: results[i].Position, Replayed: results[i].Replayed, Err: sdk.ErrResultGone}
		}
	}
	return results
}
