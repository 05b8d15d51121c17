package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// retryPause keeps a writer that is told "not applied" at once from spinning.
const retryPause = time.Millisecond

// writer makes one logical write after the other.
type writer struct {
	db      *sql.DB
	out     *reporter
	name    string
	think   time.Duration
	rnd     *rand.Rand
	session int64
	gate    sync.Mutex // held during a write, and by a pause
}

func (w *writer) run(ctx context.Context) {
	for w.session == 0 && ctx.Err() == nil {
		// Not a keyed write: one session too many harms nothing.
		err := w.db.QueryRowContext(ctx, `INSERT INTO sessions(node, started) VALUES (?, ?) RETURNING id`,
			w.name, time.Now().Unix()).Scan(&w.session)
		if err != nil {
			w.failed(ctx, 0, err)
			pause(ctx, retryPause)
		}
	}
	for key := int64(1); ctx.Err() == nil; key++ {
		w.gate.Lock()
		w.write(ctx, key)
		w.gate.Unlock()
		if w.think > 0 {
			pause(ctx, time.Duration(w.rnd.Int63n(int64(w.think))))
		}
	}
}

// write makes the write named key until its outcome is known, or known to be
// unknown.
func (w *writer) write(ctx context.Context, key int64) {
	do := w.single
	switch w.rnd.Intn(10) {
	case 0, 1:
		do = w.interactive
	case 2:
		do = w.text
	}
	for ctx.Err() == nil {
		row, err := do(ctx, key)
		if err == nil {
			w.out.send(message{Kind: kindAck, Key: key, Row: row})
			return
		}
		if again := w.failed(ctx, key, err); !again {
			return
		}
		pause(ctx, retryPause)
	}
}

// failed reports err and says whether the write may be made again under its key.
func (w *writer) failed(ctx context.Context, key int64, err error) bool {
	switch {
	case errors.Is(err, sdk.ErrOutcomeUnknown):
		w.out.send(message{Kind: kindUnknown, Key: key, Text: err.Error()})
		return false
	case errors.Is(err, sdk.ErrTxLost), errors.Is(err, sdk.ErrUnavailable):
		return true // both say: not applied
	case ctx.Err() != nil:
		return false
	}
	w.out.fault("write %s/%d: %v", w.name, key, err)
	return false
}

const insertMessage = `INSERT INTO messages(session_id, node, n, body) VALUES (?, ?, ?, ?)`

// execer is a *sql.DB, *sql.Tx or *sql.Conn.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (w *writer) insert(ctx context.Context, in execer, key int64) (int64, error) {
	r, err := in.ExecContext(ctx, insertMessage, w.session, w.name, key, w.body(key))
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func (w *writer) single(ctx context.Context, key int64) (row int64, err error) {
	if key%2 == 0 {
		return w.insert(ctx, w.db, key)
	}
	err = w.db.QueryRowContext(ctx, insertMessage+` RETURNING id`, w.session, w.name, key, w.body(key)).Scan(&row)
	return row, err
}

func (w *writer) interactive(ctx context.Context, key int64) (int64, error) {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	row, err := w.insert(ctx, tx, key)
	if err == nil {
		err = w.attach(ctx, tx, row, key)
	}
	if err == nil {
		err = tx.Commit()
	}
	return row, err
}

func (w *writer) attach(ctx context.Context, in execer, row, key int64) error {
	_, err := in.ExecContext(ctx, `INSERT INTO files(message_id, path, content) VALUES (?, ?, ?)`,
		row, fmt.Sprintf("%s/%d.txt", w.name, key), []byte(w.body(key)))
	return err
}

// text makes the write in a transaction of plain BEGIN and COMMIT.
func (w *writer) text(ctx context.Context, key int64) (int64, error) {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close() // rolls back what was not committed
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	row, err := w.insert(ctx, conn, key)
	if err == nil {
		err = w.attach(ctx, conn, row, key)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	return row, err
}

// words are what messages are made of, so that the full-text index has work.
var words = strings.Fields(`a stem of the clonal tree has many trunks and one root, when one falls another
takes its place and every leaf still drinks`)

func (w *writer) body(key int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", w.name, key)
	for range 4 + w.rnd.Intn(12) {
		b.WriteByte(' ')
		b.WriteString(words[w.rnd.Intn(len(words))])
	}
	return b.String()
}
