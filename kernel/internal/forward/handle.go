package forward

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// Ended rolls back the transactions of a session that is over, and waits until
// they are.
func (w *Writer) Ended(from sdk.Peer) {
	for _, t := range w.served.session(from.Session) {
		t.tx.lose(fmt.Errorf("%w: its session ended", sdk.ErrTxLost))
	}
}

// Handle answers the operations of a Client on another instance; known is false
// for every other operation. It blocks as the calls it stands for do.
func (w *Writer) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) (reply []byte, known bool, err error) {
	serve := w.operation(m.Op)
	if serve == nil {
		return nil, false, nil
	}
	if m.Epoch > w.epoch {
		return nil, true, fmt.Errorf("%w: this instance serves epoch %d, the caller knows epoch %d; nothing was applied",
			sdk.ErrNotPrimary, w.epoch, m.Epoch)
	}
	reply, err = serve(ctx, from, m.Body)
	return reply, true, err
}

func (w *Writer) operation(op string) func(context.Context, sdk.Peer, []byte) ([]byte, error) {
	switch op {
	case opApply:
		return w.serveApply
	case opOutcome:
		return w.serveOutcome
	case opBegin:
		return w.serveBegin
	case opExec:
		return w.serveExec
	case opQuery:
		return w.serveQuery
	case opNext:
		return w.serveNext
	case opCloseRows:
		return w.serveCloseRows
	case opCommit:
		return w.serveCommit
	case opRollback:
		return w.serveRollback
	}
	return nil
}

func (w *Writer) serveApply(ctx context.Context, _ sdk.Peer, body []byte) ([]byte, error) {
	r, err := wire.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	if r.ID.Sequence == 0 || r.ID.Incarnation == "" {
		return nil, fmt.Errorf("%w: a forwarded write needs a write id, for it may be resent", sdk.ErrInvalid)
	}
	res, err := w.Apply(ctx, r)
	if err != nil {
		return nil, err
	}
	return appendResult(res), nil
}

// appendResult encodes r. Rows that fit in no message are left out: the write was
// applied, and a transport's refusal of the reply would say that it was not.
func appendResult(r sdk.Result) []byte {
	b := wire.AppendResult(nil, r)
	if len(b) <= maxBody {
		return b
	}
	r.Err = fmt.Errorf("%w: the rows it returned take %d bytes, and a message holds %d; return fewer rows per write",
		sdk.ErrResultGone, len(b), maxBody)
	r.Rows = nil
	return wire.AppendResult(nil, r)
}

func (w *Writer) serveOutcome(ctx context.Context, _ sdk.Peer, body []byte) ([]byte, error) {
	id, err := wire.DecodeWriteID(body)
	if err != nil {
		return nil, err
	}
	res, applied, err := w.outcome(ctx, id)
	if err != nil && !applied {
		return nil, err
	}
	res.Err = err
	return outcomeReply{applied: applied, result: res}.append(nil), nil
}

func (w *Writer) serveBegin(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, err := decodeTxCall(body)
	if err != nil {
		return nil, err
	}
	o, err := wire.DecodeTxOptions(c.body)
	if err != nil {
		return nil, err
	}
	t, err := w.begin(ctx, o)
	if err != nil {
		return nil, err
	}
	k := txKey{from.Session, c.tx}
	if !w.served.add(k, t) {
		t.lose(fmt.Errorf("%w: its number was in use", sdk.ErrTxLost))
		return nil, fmt.Errorf("%w: transaction %d exists in this session", sdk.ErrInvalid, c.tx)
	}
	if err := ctx.Err(); err != nil {
		// The session ended or the caller gave up, perhaps before add: then nobody else
		// will end it. Both cancel ctx first, so this look, after add, misses none.
		w.served.remove(k)
		t.lose(fmt.Errorf("%w: the caller gave up while it began", sdk.ErrTxLost))
		return nil, waited(err)
	}
	return nil, nil
}

// find decodes a txCall and looks its transaction up.
func (w *Writer) find(from sdk.Peer, body []byte) (txCall, *servedTx, error) {
	c, err := decodeTxCall(body)
	if err != nil {
		return c, nil, err
	}
	t := w.served.get(txKey{from.Session, c.tx})
	if t == nil {
		return c, nil, fmt.Errorf("%w: this primary has no transaction %d of this session", sdk.ErrTxLost, c.tx)
	}
	return c, t, nil
}

func (w *Writer) serveExec(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if err != nil {
		return nil, err
	}
	s, err := wire.DecodeStatement(c.body)
	if err != nil {
		return nil, err
	}
	res, err := t.tx.Exec(ctx, s)
	if err != nil {
		return nil, err
	}
	return appendResult(res), nil
}

func (w *Writer) serveQuery(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if err != nil {
		return nil, err
	}
	s, err := wire.DecodeStatement(c.body)
	if err != nil {
		return nil, err
	}
	rows, err := t.tx.Query(ctx, s)
	if err != nil {
		return nil, err
	}
	r := rowsReply{columns: rows.Columns()}
	if r.block, err = next(ctx, rows); err == nil && !r.block.Last {
		r.rows, err = t.keep(rows)
	}
	if err != nil || r.block.Last {
		err = errors.Join(err, rows.Close())
	}
	if err != nil {
		return nil, err
	}
	return r.append(nil), nil
}

// next turns the end into an empty last block, which costs no call of its own.
func next(ctx context.Context, rows sdk.Rows) (sdk.Block, error) {
	b, err := rows.Next(ctx)
	if err == io.EOF {
		return sdk.Block{Last: true}, nil
	}
	return b, err
}

func (w *Writer) serveNext(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	rows := t.rows[c.rows]
	t.mu.Unlock()
	if rows == nil {
		return nil, fmt.Errorf("%w: these rows are not open any more", sdk.ErrClosed)
	}
	b, err := next(ctx, rows)
	if err != nil || b.Last {
		t.forget(c.rows)
		err = errors.Join(err, rows.Close())
	}
	if err != nil {
		return nil, err
	}
	return wire.AppendBlock(nil, b), nil
}

func (w *Writer) serveCloseRows(_ context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if err != nil {
		return nil, err
	}
	if rows := t.forget(c.rows); rows != nil {
		return nil, rows.Close()
	}
	return nil, nil
}

func (w *Writer) serveCommit(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if err != nil {
		return nil, err
	}
	r, err := wire.DecodeRequest(c.body)
	if err != nil {
		return nil, err
	}
	res, err := t.tx.Commit(ctx, r)
	if !isConstraint(err) {
		w.served.remove(txKey{from.Session, c.tx})
	}
	if err != nil {
		return nil, err
	}
	return appendResult(res), nil
}

func (w *Writer) serveRollback(ctx context.Context, from sdk.Peer, body []byte) ([]byte, error) {
	c, t, err := w.find(from, body)
	if errors.Is(err, sdk.ErrTxLost) {
		return nil, nil // gone is what the caller wants
	}
	if err != nil {
		return nil, err
	}
	w.served.remove(txKey{from.Session, c.tx})
	return nil, t.tx.Rollback(ctx)
}
