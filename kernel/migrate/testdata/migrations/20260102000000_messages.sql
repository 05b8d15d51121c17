-- +goose Up
CREATE TABLE messages (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    body    TEXT NOT NULL,
    at      DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE VIRTUAL TABLE messages_text USING fts5 (body);
-- +goose StatementBegin
CREATE TRIGGER messages_insert AFTER INSERT ON messages BEGIN
    UPDATE sessions SET title = title || CASE WHEN new.body = '' THEN '' ELSE '+' END WHERE id = new.session;
    INSERT INTO messages_text (rowid, body) VALUES (new.id, new.body);
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE messages_text;
DROP TABLE messages;
