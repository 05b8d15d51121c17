package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/ramet-io/ramet/compat/internal/entshop"
	"github.com/ramet-io/ramet/compat/internal/entshop/author"
	"github.com/ramet-io/ramet/compat/internal/entshop/book"
	"github.com/ramet-io/ramet/compat/internal/entshop/migrate"
)

type entShop struct {
	db *sql.DB
	c  *entshop.Client
}

func newEntShop(_ *testing.T, db *sql.DB) shop {
	return &entShop{db, entshop.NewClient(entshop.Driver(entsql.OpenDB(dialect.SQLite, db)))}
}

func (s *entShop) handle() *sql.DB { return s.db }

// migrate first makes a table that lacks columns and has one too many, so that the
// migrator has to rebuild it, for which it turns foreign keys off.
func (s *entShop) migrate(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS authors (id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL);
		CREATE TABLE IF NOT EXISTS books (id integer PRIMARY KEY AUTOINCREMENT, title text NOT NULL, obsolete text, author_id integer NOT NULL,
			CONSTRAINT books_authors_books FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE NO ACTION)`)
	if err != nil {
		return err
	}
	return s.c.Schema.Create(ctx, migrate.WithDropColumn(true), migrate.WithDropIndex(true))
}

func (s *entShop) inTx(ctx context.Context, f func(*entshop.Tx) error) error {
	tx, err := s.c.Tx(ctx)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *entShop) trade(ctx context.Context) (saw []string, err error) {
	see := func(v any) { saw = append(saw, fmt.Sprintf("%+v", v)) }
	ann, err := s.c.Author.Create().SetName("ann").Save(ctx)
	if err != nil {
		return saw, err
	}
	see(ann.ID)
	tags, err := s.c.Tag.CreateBulk(s.c.Tag.Create().SetName("t1"), s.c.Tag.Create().SetName("t2")).Save(ctx)
	if err != nil {
		return saw, err
	}
	see(len(tags))
	err = s.inTx(ctx, func(tx *entshop.Tx) error {
		_, err := tx.Book.Create().SetTitle("b1").SetAuthor(ann).SetCover(cover).SetPrinted(printed).AddTags(tags...).Save(ctx)
		if err == nil {
			_, err = tx.Book.Create().SetTitle("b2").SetAuthor(ann).SetPrice(1.5).Save(ctx)
		}
		return err
	})
	if err != nil {
		return saw, err
	}
	_, err = s.c.Author.Create().SetName("ann").Save(ctx)
	see(entshop.IsConstraintError(err))
	books, err := s.c.Book.Query().WithAuthor().WithTags().Order(entshop.Asc(book.FieldTitle)).All(ctx)
	if err != nil {
		return saw, err
	}
	for _, b := range books {
		see([]any{b.ID, b.Title, b.Price, b.Cover, b.Printed, b.Edges.Author.Name, len(b.Edges.Tags)})
	}
	n, err := s.c.Book.Update().Where(book.HasAuthorWith(author.Name("ann"))).AddPrice(2).Save(ctx)
	see(n)
	if err != nil {
		return saw, err
	}
	n, err = s.c.Book.Delete().Where(book.Title("b2")).Exec(ctx)
	see(n)
	return saw, err
}

func (s *entShop) visit(ctx context.Context, n int) error {
	return s.inTx(ctx, func(tx *entshop.Tx) error {
		id, err := tx.Author.Create().SetName("visitor").SetVisits(1).
			OnConflictColumns(author.FieldName).
			Update(func(u *entshop.AuthorUpsert) { u.AddVisits(1) }).ID(ctx)
		if err != nil {
			return err
		}
		return sqlVisit(ctx, tx, n, func(title string) error {
			return tx.Book.Create().SetTitle(title).SetAuthorID(id).Exec(ctx)
		})
	})
}
