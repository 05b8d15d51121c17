package sqlite

// A COMMIT that finds the WAL long copies it into the database, which takes 10 to 40
// ms, and the first one to find it so is likely to be an Advance or one of the writes
// that waited for it. These go first: checkpoints begin some turns after the Advance.

const (
	noCheckpoint   = "PRAGMA wal_autocheckpoint = 0"
	autoCheckpoint = "PRAGMA wal_autocheckpoint = 1000" // pages, SQLite's default

	rushTurns = 64
)

// endRush counts the writer's turns since Advance and lets checkpoints begin. The
// caller has the turn and is in no transaction.
func (d *db) endRush() {
	if d.lineage == "" || d.rush > rushTurns {
		return
	}
	if d.rush++; d.rush > rushTurns && d.w.exec(autoCheckpoint) != nil {
		d.rush = 0 // tried again later
	}
}
