package demo

import (
	"context"
	"database/sql"
	"time"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/kernel"
)

const schemaVersion = 1

// schema is that of a chat program. (node, n) is the key of a logical write and
// deliberately not unique, so that a write applied twice would show.
var schema = []string{
	`CREATE TABLE sessions (
		id INTEGER PRIMARY KEY, node TEXT NOT NULL, started INTEGER NOT NULL,
		messages INTEGER NOT NULL DEFAULT 0)`,
	`CREATE TABLE messages (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		session_id INTEGER NOT NULL REFERENCES sessions(id),
		node TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL)`,
	`CREATE INDEX messages_key ON messages(node, n)`,
	`CREATE TABLE files (
		id INTEGER PRIMARY KEY,
		message_id INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
		path TEXT NOT NULL, content BLOB NOT NULL)`,
	`CREATE VIRTUAL TABLE messages_fts USING fts5(body, content='messages', content_rowid='id')`,
	`CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
		INSERT INTO messages_fts(rowid, body) VALUES (new.id, new.body);
		UPDATE sessions SET messages = messages + 1 WHERE id = new.session_id;
	END`,
}

func migrate(ctx context.Context, db *sql.DB) error {
	for _, text := range schema {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// config is that of every instance of the demonstration: what the assembly says of
// plugins and durability, and a fresh database of the demonstration's own. asm is
// closed after the instance.
func config(ctx context.Context, file, workdir, name string, ttl time.Duration, failover bool) (kernel.Config, *assembly.Assembly, error) {
	asm, err := assembly.Load(ctx, file, available.Plugins())
	if err != nil {
		return kernel.Config{}, nil, err
	}
	var cfg kernel.Config
	asm.Apply(&cfg)
	cfg.Workdir, cfg.DataPath, cfg.InstanceID = workdir, "", name
	cfg.Failover, cfg.TTL = failover, ttl
	cfg.Migrate, cfg.SchemaVersion = migrate, schemaVersion
	cfg.NoChangeLog = false
	cfg.ChangeRetention = 10_000_000 // a node that starts late reads the feed from its beginning
	return cfg, asm, nil
}
