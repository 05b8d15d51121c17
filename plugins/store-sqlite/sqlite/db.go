package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
	engine "modernc.org/sqlite"
)

const (
	defaultRetention  = 100_000
	defaultOutcomeTTL = 7 * 24 * time.Hour
)

// db is one open handle. The writer half is nil on a secondary.
type db struct {
	path    string
	file    fileID // of the write connection, as opened
	options sdk.OpenOptions
	forget  func(*db)
	kin     func() []*db // the other open handles of this database in this process; may be nil
	warning string       // about locks, for Status

	gate    gate
	readers *pool
	texts   texts

	turn chan struct{} // holds one token while somebody writes
	w    *conn         // guarded by turn
	rush int           // turns since Advance, up to rushTurns; guarded by turn
	state

	mu     sync.Mutex
	open   map[closer]struct{} // rows and transactions that the caller has not closed; guarded by mu
	broken error               // a COMMIT failed: no more writes; guarded by mu
	done   bool                // Close has finished; guarded by mu
}

// closer is what Close ends for a caller that did not.
type closer interface{ abandon() }

// openDB opens the database at o.Path. r may be nil; it is told of the end.
func openDB(ctx context.Context, o sdk.OpenOptions, r *running) (*db, error) {
	if o.ChangeRetention <= 0 {
		o.ChangeRetention = defaultRetention
	}
	if o.OutcomeTTL <= 0 {
		o.OutcomeTTL = defaultOutcomeTTL
	}
	switch o.Durability {
	case "", sdk.DurabilityFull, sdk.DurabilityProcess:
	default:
		return nil, fmt.Errorf("%w: durability %q; use %q or %q", sdk.ErrInvalid, o.Durability, sdk.DurabilityFull, sdk.DurabilityProcess)
	}
	d := &db{options: o, warning: lockWarning(), turn: make(chan struct{}, 1), open: map[closer]struct{}{}}
	if r != nil {
		d.forget, d.kin = r.forget, func() []*db { return r.kin(d) }
	}
	var err error
	switch o.Role {
	case sdk.Primary:
		err = d.openPrimary(ctx)
	case sdk.Secondary:
		err = d.openSecondary(ctx)
	default:
		err = fmt.Errorf("%w: role %q; use %q or %q", sdk.ErrInvalid, o.Role, sdk.Primary, sdk.Secondary)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// openSecondary opens for reading what a primary has prepared.
func (d *db) openSecondary(ctx context.Context) error {
	path, err := canonical(d.options.Path)
	if err != nil {
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	if err := checkFile(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s does not exist yet; wait for the primary", sdk.ErrUnavailable, path)
	} else if err != nil {
		return err
	}
	d.path, d.readers = path, newPool(path)
	c, err := d.readers.get(ctx)
	if err != nil {
		return damaged(path, unavailable("open "+path, err))
	}
	var ready bool
	err = retry(ctx, func() (err error) { ready, err = c.hasMeta(path); return err })
	d.readers.put(c, err != nil)
	if err == nil && !ready {
		err = fmt.Errorf("%w: %s was not prepared by a primary yet; wait for it", sdk.ErrUnavailable, path)
	}
	if err != nil {
		return errors.Join(openError(path, err), d.readers.close())
	}
	return nil
}

// openError keeps errors of the closed set and makes the others ErrUnavailable,
// but for a file that cannot be written to, which does not become so by waiting.
func openError(path string, err error) error {
	if sdk.CodeOf(err) != 0 {
		return err
	}
	if codeOf(err)&0xff == codeReadOnly {
		return fmt.Errorf("%w: %s or its file system cannot be written to: %w", sdk.ErrReadOnly, path, sqlError(err))
	}
	return unavailable("open "+path, err)
}

// openPrimary opens for writing, makes the file and the meta tables if missing,
// and converts another journal mode to WAL.
func (d *db) openPrimary(ctx context.Context) error {
	path, err := canonical(d.options.Path)
	if err != nil {
		return err
	}
	if err := createFile(path); err != nil {
		return err
	}
	if err := checkFile(path); err != nil {
		return err
	}
	d.path, d.readers = path, newPool(path)
	d.w, err = connect(ctx, dsn(path, false), d.pragmas()...)
	if err != nil {
		return openError(path, damaged(path, err))
	}
	if err := d.prepareFile(ctx); err != nil {
		return errors.Join(openError(path, err), d.w.close())
	}
	if d.file, err = identify(path); err != nil {
		return errors.Join(openError(path, err), d.w.close())
	}
	d.w.watch()
	d.warm(ctx)
	return nil
}

// pragmas are those of the write connection.
func (d *db) pragmas() []string {
	if d.options.Durability == sdk.DurabilityProcess {
		return []string{"PRAGMA synchronous = NORMAL", noCheckpoint}
	}
	p := []string{"PRAGMA synchronous = FULL", noCheckpoint}
	if runtime.GOOS == "darwin" {
		p = append(p, "PRAGMA fullfsync = ON", "PRAGMA checkpoint_fullfsync = ON") // fsync alone does not reach the disk there
	}
	return p
}

// prepareFile reads first, so that a file of something else stays as it is.
func (d *db) prepareFile(ctx context.Context) error {
	var ready bool
	err := retry(ctx, func() (err error) { ready, err = d.w.hasMeta(d.path); return err })
	if err != nil {
		return damaged(d.path, err)
	}
	mode := make([]driver.Value, 1)
	err = retry(ctx, func() error { _, err := d.w.row(mode, "PRAGMA journal_mode = WAL"); return err })
	if err != nil {
		return damaged(d.path, err)
	}
	if m := toText(mode[0]); m != "wal" {
		return fmt.Errorf("%w: %s stays in journal mode %q, it must be WAL; is the file system local and the file writable?", sdk.ErrInvalid, d.path, m)
	}
	if !ready {
		return d.w.makeMeta(ctx, d.path)
	}
	return nil
}

// Status implements sdk.DB.
func (d *db) Status(ctx context.Context) (sdk.StoreStatus, error) {
	if err := d.gate.enter(); err != nil {
		return sdk.StoreStatus{}, err
	}
	defer d.gate.leave()
	var m meta
	var version [1]driver.Value
	err := d.read(ctx, func(c *conn) (err error) {
		if m, err = c.readMeta(); err == nil {
			_, err = c.row(version[:], "SELECT sqlite_version()")
		}
		return err
	})
	if err != nil {
		return sdk.StoreStatus{}, err
	}
	return sdk.StoreStatus{
		Workspace: m.workspace, Lineage: m.lineage, Epoch: m.epoch, Owner: m.owner, SchemaVersion: m.schema,
		Oldest: sdk.Position{Lineage: m.lineage, Row: m.trimmed}, Newest: sdk.Position{Lineage: m.lineage, Row: m.newest},
		Engine: "SQLite " + toText(version[0]), Warnings: d.warnings(),
	}, nil
}

// read runs f in one read transaction, so that all it sees is of one moment, and
// tries again while a lock is in its way.
func (d *db) read(ctx context.Context, f func(*conn) error) error {
	c, err := d.readers.get(ctx)
	if err != nil {
		return openError(d.path, err)
	}
	err = retry(ctx, func() error { return c.snapshot(func() error { return f(c) }) })
	d.readers.put(c, isFatal(err))
	if err != nil {
		return openError(d.path, err)
	}
	return nil
}

// snapshot runs f in a read transaction.
func (c *conn) snapshot(f func() error) error {
	if err := c.exec("BEGIN"); err != nil {
		return err
	}
	return errors.Join(f(), c.endRead())
}

// endRead ends a read transaction. If that fails, the pool closes the connection.
func (c *conn) endRead() error {
	err := c.exec("COMMIT")
	c.spoilt = c.spoilt || err != nil
	return err
}

func (d *db) warnings() []string {
	var w []string
	if d.warning != "" {
		w = append(w, d.warning)
	}
	if slices.Contains(sql.Drivers(), "sqlite3") {
		w = append(w, `a second SQLite library is linked in (driver "sqlite3"); never open this database with it: closing it drops the locks of the other`)
	}
	return w
}

// ofd makes SQLite's locks belong to the open file and not to the process.
// Otherwise any open and close of the database file elsewhere in the process
// drops them, and another program may then delete the live WAL.
var ofd = sync.OnceValue(func() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	if _, err := engine.OFDLocking(true); err != nil {
		return "locks of SQLite belong to the process (" + strings.TrimPrefix(err.Error(), "sqlite: ") + "): nothing else in this process may open the database file"
	}
	return ""
})

func lockWarning() string { return ofd() }

// Snapshot implements sdk.DB. The capability is not declared.
func (d *db) Snapshot(context.Context) (sdk.Feed, error) {
	return nil, fmt.Errorf("%w: store-sqlite lacks %s; copy the database with VACUUM INTO instead", sdk.ErrUnsupported, sdk.CapSnapshot)
}

// Close implements sdk.DB. It ends rows and transactions that are still open.
func (d *db) Close(ctx context.Context) error {
	if err := d.gate.close(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	if d.done {
		d.mu.Unlock()
		return nil
	}
	d.done = true
	left := make([]closer, 0, len(d.open))
	for c := range d.open {
		left = append(left, c)
	}
	d.mu.Unlock()
	for _, c := range left {
		c.abandon()
	}
	err := d.readers.close()
	if d.w != nil {
		if d.lineage != "" { // it was owner; a spare must not stand in the owner's way
			d.fold()
		}
		err = errors.Join(err, d.w.close())
	}
	if d.forget != nil {
		d.forget(d)
	}
	if err != nil {
		return fmt.Errorf("%w: close the database: %v", sdk.ErrUnclean, err)
	}
	return nil
}

// foldAtMost is the largest WAL that Close folds, in bytes: it must stay quick.
const foldAtMost = 64 << 20

// fold moves the WAL into the database file, so that after an orderly end the one
// file is the whole database, and restoring it from a backup is not undone by the
// log of another time. SQLite does so itself only if the last connection of all may
// write, and the last one usually is a reader. It is tried, not needed: others may
// be reading, or the next primary may write already.
func (d *db) fold() {
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if info, err := os.Stat(d.path + "-wal"); err != nil || info.Size() > foldAtMost || broken != nil {
		return
	}
	_, _ = d.w.row(make([]driver.Value, 3), "PRAGMA wal_checkpoint(TRUNCATE)")
}

func (d *db) opened(c closer) {
	d.mu.Lock()
	d.open[c] = struct{}{}
	d.mu.Unlock()
}

func (d *db) ended(c closer) {
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
}

var _ sdk.DB = (*db)(nil)
