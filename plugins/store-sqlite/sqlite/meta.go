package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// metaFormat is the format of the meta tables. A build opens its own and older.
const metaFormat = 1

// The meta tables are WITHOUT ROWID so that writing them leaves
// last_insert_rowid() to the application.
var metaTables = []string{
	`CREATE TABLE IF NOT EXISTS ramet_meta(
		id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, workspace TEXT NOT NULL, lineage TEXT NOT NULL,
		epoch INTEGER NOT NULL, owner BLOB, schema_version INTEGER NOT NULL, file TEXT NOT NULL, trimmed INTEGER NOT NULL
	) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS ramet_writes(
		incarnation TEXT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, result BLOB, at INTEGER NOT NULL,
		PRIMARY KEY (incarnation, seq)
	) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS ramet_floors(
		incarnation TEXT PRIMARY KEY, floor INTEGER NOT NULL, touched INTEGER NOT NULL
	) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS ramet_changes(
		pos INTEGER PRIMARY KEY, request INTEGER NOT NULL, epoch INTEGER NOT NULL, tbl TEXT NOT NULL, op INTEGER NOT NULL,
		rid INTEGER NOT NULL, norowid INTEGER NOT NULL
	) WITHOUT ROWID`,
}

// meta is the one row of ramet_meta, and the last position of ramet_changes.
type meta struct {
	format    int64
	workspace string
	lineage   string
	epoch     uint64
	owner     sdk.Record
	schema    int64
	file      string
	trimmed   uint64 // changes at and below are no longer kept
	newest    uint64 // of the last change; at least trimmed
}

const (
	sqlHasMeta  = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'ramet_meta'`
	sqlFormat   = `SELECT format FROM ramet_meta WHERE id = 1`
	sqlEpoch    = `SELECT epoch FROM ramet_meta WHERE id = 1`
	sqlReadMeta = `SELECT format, workspace, lineage, epoch, owner, schema_version, file, trimmed,
		max(trimmed, coalesce((SELECT max(pos) FROM ramet_changes), 0)) FROM ramet_meta WHERE id = 1`
	sqlReadLog = `SELECT lineage, epoch, trimmed, max(trimmed, coalesce((SELECT max(pos) FROM ramet_changes), 0))
		FROM ramet_meta WHERE id = 1`
	sqlAddMeta   = `INSERT INTO ramet_meta VALUES (1, ?, ?, ?, 0, NULL, 0, ?, 0)`
	sqlSetOwner  = `UPDATE ramet_meta SET workspace = ?, lineage = ?, epoch = ?, owner = ?, file = ?, trimmed = ? WHERE id = 1`
	sqlSetSchema = `UPDATE ramet_meta SET schema_version = ? WHERE id = 1`
)

// hasMeta says whether the database was prepared by a primary, and whether this
// build understands it.
func (c *conn) hasMeta(path string) (bool, error) {
	dest := make([]driver.Value, 1)
	if _, err := c.row(dest, sqlHasMeta); err != nil {
		return false, damaged(path, err)
	}
	if n, _ := dest[0].(int64); n == 0 {
		return false, nil
	}
	found, err := c.row(dest, sqlFormat)
	if err != nil || !found {
		return false, err
	}
	if f, _ := dest[0].(int64); f > metaFormat {
		return false, fmt.Errorf("%w: %s has meta tables of format %d, this build understands up to %d; upgrade this program",
			sdk.ErrIncompatible, path, f, metaFormat)
	}
	return true, nil
}

// readMeta reads the meta data as of the connection's present transaction.
func (c *conn) readMeta() (meta, error) {
	dest := make([]driver.Value, 9)
	found, err := c.row(dest, sqlReadMeta)
	if err != nil {
		return meta{}, err
	}
	if !found {
		return meta{}, errNoMeta
	}
	m := meta{
		format: toInt(dest[0]), workspace: toText(dest[1]), lineage: toText(dest[2]), epoch: uint64(toInt(dest[3])),
		schema: toInt(dest[5]), file: toText(dest[6]), trimmed: uint64(toInt(dest[7])), newest: uint64(toInt(dest[8])),
	}
	if b, _ := dest[4].([]byte); len(b) > 0 {
		if err := json.Unmarshal(b, &m.owner); err != nil {
			return meta{}, fmt.Errorf("%w: the owner in ramet_meta: %v", sdk.ErrCorrupt, err)
		}
	}
	return m, nil
}

// readLog reads of the meta data what a feed needs. Every feed of every instance does
// so after each commit, and the owner alone would be half of the work.
func (c *conn) readLog() (meta, error) {
	var dest [4]driver.Value
	found, err := c.row(dest[:], sqlReadLog)
	if err != nil {
		return meta{}, err
	}
	if !found {
		return meta{}, errNoMeta
	}
	return meta{lineage: toText(dest[0]), epoch: uint64(toInt(dest[1])), trimmed: uint64(toInt(dest[2])), newest: uint64(toInt(dest[3]))}, nil
}

var errNoMeta = fmt.Errorf("%w: the row of ramet_meta is missing; restore a backup", sdk.ErrCorrupt)

// checkEpoch compares the stored epoch with the caller's, inside the present
// transaction: this is what fences an old primary. Epoch 0 is that of a store
// which nobody owns yet, so nobody won it.
func (c *conn) checkEpoch(epoch uint64) error {
	stored, err := c.epoch()
	if err != nil {
		return err
	}
	if epoch == 0 || stored != epoch {
		return fmt.Errorf("%w: the store is at epoch %d, this write carries %d; stop writing", sdk.ErrFenced, stored, epoch)
	}
	return nil
}

func (c *conn) epoch() (uint64, error) {
	var dest [1]driver.Value
	found, err := c.row(dest[:], sqlEpoch)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, errNoMeta
	}
	return uint64(toInt(dest[0])), nil
}

// makeMeta creates the meta tables in a database that has none.
func (c *conn) makeMeta(ctx context.Context, path string) error {
	id, err := identify(path)
	if err != nil {
		return fmt.Errorf("%w: %v", sdk.ErrInvalid, err)
	}
	if err := retry(ctx, func() error { return c.exec("BEGIN IMMEDIATE") }); err != nil {
		return err
	}
	err = c.makeMetaLocked(path, id)
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		_ = c.exec("ROLLBACK") // it may have ended already; the first error counts
		return unavailable("make the meta tables", err)
	}
	return nil
}

// makeMetaLocked does the work inside the transaction, where another process may
// have been faster.
func (c *conn) makeMetaLocked(path string, id fileID) error {
	if ready, err := c.hasMeta(path); err != nil || ready {
		return err
	}
	for _, text := range metaTables {
		if err := c.exec(text); err != nil {
			return err
		}
	}
	return c.exec(sqlAddMeta, int64(metaFormat), newUUID(), newLineage(), id.String())
}

func toInt(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func toText(v driver.Value) string {
	switch s := v.(type) {
	case string:
		return s
	case []byte:
		return string(s)
	}
	return ""
}

// newLineage draws a lineage; it must not hold a colon, which ends it in a
// position's text.
func newLineage() string { return randomHex(8) }

// newUUID draws a version 4 UUID (RFC 9562).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see its documentation
	return hex.EncodeToString(b)
}
