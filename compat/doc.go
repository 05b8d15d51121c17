// Package compat holds no code: its tests run sqlc's output, GORM, ent, bun, sqlx
// and goose on ramet's *sql.DB. It is a module of its own, so that none of them
// becomes a dependency of ramet.
//
// Each library brings the same small shop (authors, books, tags) into being with its
// own migrations and works on it: associations, transactions, nested transactions,
// upserts, RETURNING, batches, prepared statements. The same program runs on the
// bare driver, on a primary and on a secondary whose primary is another process, and
// must leave the same database; then it runs on while that primary is killed.
//
// "make compat-generate" writes the generated packages below internal anew.
package compat
