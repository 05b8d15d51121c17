// Package migrate turns a directory of migrations into the hook that
// kernel.Config wants:
//
//	migrate, version, err := migrate.Goose(files, "migrations")
//	config.Migrate, config.SchemaVersion = migrate, version
//
// The kernel runs the hook on a new primary before it serves, and only if the
// store's schema version differs, so a promotion at the same version skips it.
//
// # What runs
//
// Migrations are goose's SQL files, https://pressly.github.io/goose/. Each runs in
// one transaction together with its row in goose_db_version, so a primary that
// dies or is displaced between two of them leaves whole ones behind, and the next
// primary goes on from there. goose's Go migrations are not looked at: what a
// program registered globally is not in the directory that the version comes from.
//
// A file with "-- +goose NO TRANSACTION" works too: each of its statements is then
// a transaction of its own. If it fails half way, goose runs it again from its
// start, so write it to bear that (IF NOT EXISTS).
//
// # What is refused
//
// Statements that cannot run in a transaction or that reach beyond the database:
// VACUUM, ATTACH, DETACH, TEMP objects, and PRAGMAs that set something (like
// foreign_keys, which is one setting for the whole workspace; PRAGMA
// defer_foreign_keys or the 12 steps of https://www.sqlite.org/lang_altertable.html
// without it serve the usual purpose). BEGIN and COMMIT belong to goose. The
// error names the file and the reason, and fails the promotion.
package migrate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Goose reads the goose migrations in directory dir of fsys ("." for its root).
// migrate applies those that the database lacks, in order, until ctx ends;
// version is the highest of them. migrate may be called again and from any
// instance; it reads the files anew, so fsys must not change.
//
// It returns an error if there are no migrations in dir, two have one version, or
// a name has none. An error in the SQL shows when it runs.
func Goose(fsys fs.FS, dir string) (migrate func(ctx context.Context, db *sql.DB) error, version int64, err error) {
	files, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, 0, fmt.Errorf("migrations in %s: %w", dir, err)
	}
	// goose lists files only for a database, though it does not touch it for that.
	none := sql.OpenDB(noDatabase{})
	defer none.Close()
	listed, err := provider(files, none)
	if err != nil {
		return nil, 0, fmt.Errorf("migrations in %s: %w", dir, err)
	}
	for _, source := range listed.ListSources() {
		version = max(version, source.Version)
	}
	migrate = func(ctx context.Context, db *sql.DB) error {
		p, err := provider(files, db)
		if err != nil {
			return fmt.Errorf("migrations in %s: %w", dir, err)
		}
		if err := versionTable(ctx, db); err != nil {
			return fmt.Errorf("migrations in %s: create %s: %w", dir, goose.DefaultTablename, err)
		}
		if _, err := p.Up(ctx); err != nil {
			return describe(dir, err)
		}
		return nil
	}
	return migrate, version, nil
}

func provider(files fs.FS, db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// versionTable makes goose's table if it is missing. goose would too, but takes
// every error for a lost race and tries again for three seconds, in which a
// primary that was fenced should have stepped down.
func versionTable(ctx context.Context, db *sql.DB) error {
	store, err := database.NewStore(goose.DialectSQLite3, goose.DefaultTablename)
	if err != nil {
		return err
	}
	_, err = store.GetMigration(ctx, db, 0)
	if err == nil || errors.Is(err, database.ErrVersionNotFound) {
		return nil // the table is there
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing to do after Commit
	if err := store.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	if err := store.Insert(ctx, tx, database.InsertRequest{Version: 0}); err != nil {
		return err
	}
	return tx.Commit()
}

// describe names the file: goose's own text has its version only.
func describe(dir string, err error) error {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		return fmt.Errorf("migration %s in %s, after %d others: %w", partial.Failed.Source.Path, dir, len(partial.Applied), partial.Err)
	}
	return fmt.Errorf("migrations in %s: %w", dir, err)
}

// noDatabase is a database that cannot be reached.
type noDatabase struct{}

// Connect refuses.
func (noDatabase) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("migrate: no database to list files with")
}

// Driver returns nil: nothing asks for it.
func (noDatabase) Driver() driver.Driver { return nil }
