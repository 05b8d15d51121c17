package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// state is what the writer remembers of the meta tables. Only the owner of the
// epoch writes them, and each write checks the epoch, so it cannot be stale.
type state struct {
	lineage string
	newest  uint64            // position of the last change
	trimmed uint64            // changes at and below are not kept
	swept   uint64            // and these are deleted
	senders map[string]sender // by incarnation; loaded when needed
}

// Advance implements sdk.DB.
func (d *db) Advance(ctx context.Context, f sdk.Fence) (sdk.Grant, error) {
	if err := d.takeTurn(ctx); err != nil {
		return sdk.Grant{}, err
	}
	defer d.giveTurn()
	if err := d.w.begin(ctx); err != nil {
		return sdk.Grant{}, err
	}
	g, s, err := d.advanceLocked(f)
	if err != nil {
		d.w.rollback()
		return sdk.Grant{}, openError(d.path, err)
	}
	if err := d.w.exec("COMMIT"); err != nil {
		return sdk.Grant{}, d.unknown(sdk.WriteID{}, err)
	}
	d.state = s
	return g, nil
}

// advanceLocked does the compare-and-set inside an immediate transaction.
func (d *db) advanceLocked(f sdk.Fence) (sdk.Grant, state, error) {
	m, err := d.w.readMeta()
	if err != nil {
		return sdk.Grant{}, state{}, err
	}
	if m.epoch != f.Observed {
		return sdk.Grant{}, state{}, fmt.Errorf("%w: the store is at epoch %d, not at %d; somebody else advanced, ask Status again", sdk.ErrFenced, m.epoch, f.Observed)
	}
	if f.SchemaVersion != 0 && f.SchemaVersion < m.schema {
		return sdk.Grant{}, state{}, fmt.Errorf("%w: the database has schema version %d, this program declares %d; upgrade this program",
			sdk.ErrIncompatible, m.schema, f.SchemaVersion)
	}
	if err := d.judgeContent(&m, f); err != nil {
		return sdk.Grant{}, state{}, err
	}
	m.epoch = max(f.AtLeast, m.epoch+1)
	f.Owner.Epoch, f.Owner.Lineage, f.Owner.Workspace = m.epoch, m.lineage, m.workspace
	owner, err := json.Marshal(f.Owner)
	if err != nil {
		return sdk.Grant{}, state{}, fmt.Errorf("%w: the owner's record: %v", sdk.ErrInvalid, err)
	}
	if err := d.w.exec(sqlSetOwner, m.workspace, m.lineage, int64(m.epoch), owner, m.file, int64(m.trimmed)); err != nil {
		return sdk.Grant{}, state{}, err
	}
	if err := d.forgetOutcomes(); err != nil {
		return sdk.Grant{}, state{}, err
	}
	swept, err := d.w.sweptTo()
	g := sdk.Grant{Epoch: m.epoch, Lineage: m.lineage, Workspace: m.workspace, SchemaVersion: m.schema}
	return g, state{m.lineage, m.newest, m.trimmed, swept, map[string]sender{}}, err
}

// judgeContent draws a new lineage if the content is not what was last served,
// and a new workspace if the file is a copy. Old changes are then not continued.
func (d *db) judgeContent(m *meta, f sdk.Fence) error {
	id, err := identify(d.path)
	if err != nil {
		return fmt.Errorf("%w: %v", sdk.ErrUnavailable, err)
	}
	if id.String() != d.file.String() {
		return fmt.Errorf("%w: %s was replaced since this handle opened it; open it again", sdk.ErrClosed, d.path)
	}
	copied := m.file != id.String()
	restored := f.RecordEpoch > m.epoch ||
		f.RecordEpoch == m.epoch && m.epoch > 0 && f.RecordLineage != "" && f.RecordLineage != m.lineage
	if copied {
		m.workspace, m.file = newUUID(), id.String()
	}
	if copied || restored {
		m.lineage = newLineage()
	}
	if copied || restored || !d.options.ChangeLog {
		// Who follows the log meets a gap here: the position moves past what it has.
		m.newest++
		m.trimmed = m.newest
	}
	return nil
}

const (
	sqlOldWrites = `DELETE FROM ramet_writes WHERE at < ?`
	sqlOldFloors = `DELETE FROM ramet_floors WHERE touched < ?`
)

// forgetOutcomes deletes what nobody may ask about any more.
func (d *db) forgetOutcomes() error {
	limit := time.Now().Add(-d.options.OutcomeTTL).Unix()
	if err := d.w.exec(sqlOldWrites, limit); err != nil {
		return err
	}
	return d.w.exec(sqlOldFloors, limit)
}

// SetSchema implements sdk.DB.
func (d *db) SetSchema(ctx context.Context, epoch uint64, version int64) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.giveTurn()
	if err := d.w.begin(ctx); err != nil {
		return err
	}
	err := d.w.checkEpoch(epoch)
	if err == nil {
		err = d.w.exec(sqlSetSchema, version)
	}
	if err != nil {
		d.w.rollback()
		return openError(d.path, err)
	}
	if err := d.w.exec("COMMIT"); err != nil {
		return d.unknown(sdk.WriteID{}, err)
	}
	return nil
}
