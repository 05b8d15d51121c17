-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX IF NOT EXISTS messages_session ON messages (session, id);
ANALYZE;

-- +goose Down
DROP INDEX messages_session;
