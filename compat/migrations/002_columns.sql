-- +goose Up
ALTER TABLE authors ADD COLUMN visits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE books ADD COLUMN price REAL;
ALTER TABLE books ADD COLUMN cover BLOB;
ALTER TABLE books ADD COLUMN printed DATETIME;
CREATE UNIQUE INDEX books_title ON books (title);
-- +goose StatementBegin
CREATE TRIGGER books_title_trimmed AFTER INSERT ON books BEGIN
  UPDATE books SET title = trim(new.title) WHERE id = new.id AND title <> trim(new.title);
END;
-- +goose StatementEnd
-- +goose Down
DROP TRIGGER books_title_trimmed;
DROP INDEX books_title;
ALTER TABLE books DROP COLUMN printed;
ALTER TABLE books DROP COLUMN cover;
ALTER TABLE books DROP COLUMN price;
ALTER TABLE authors DROP COLUMN visits;
