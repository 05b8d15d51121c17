package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"
)

type (
	bunAuthor struct {
		bun.BaseModel `bun:"table:authors,alias:a"`

		ID     int64  `bun:",pk,autoincrement"`
		Name   string `bun:",unique,notnull"`
		Visits int64
		Books  []*bunBook `bun:"rel:has-many,join:id=author_id"`
	}
	bunBook struct {
		bun.BaseModel `bun:"table:books,alias:b"`

		ID       int64      `bun:",pk,autoincrement"`
		AuthorID int64      `bun:",notnull"`
		Author   *bunAuthor `bun:"rel:belongs-to,join:author_id=id"`
		Title    string     `bun:",unique,notnull"`
		Price    *float64
		Cover    []byte
		Printed  time.Time `bun:",nullzero"`
		Tags     []bunTag  `bun:"m2m:book_tags,join:Book=Tag"`
	}
	bunTag struct {
		bun.BaseModel `bun:"table:tags,alias:t"`

		ID   int64  `bun:",pk,autoincrement"`
		Name string `bun:",unique,notnull"`
	}
	bunBookTag struct {
		bun.BaseModel `bun:"table:book_tags"`

		BookID int64    `bun:",pk"`
		Book   *bunBook `bun:"rel:belongs-to,join:book_id=id"`
		TagID  int64    `bun:",pk"`
		Tag    *bunTag  `bun:"rel:belongs-to,join:tag_id=id"`
	}
)

type bunShop struct {
	db *sql.DB
	b  *bun.DB
}

func newBunShop(_ *testing.T, db *sql.DB) shop {
	b := bun.NewDB(db, sqlitedialect.New())
	b.RegisterModel((*bunBookTag)(nil))
	return &bunShop{db, b}
}

func (s *bunShop) handle() *sql.DB { return s.db }

// migrate uses bun's migrator, with its tables and its lock.
func (s *bunShop) migrate(ctx context.Context) error {
	all := migrate.NewMigrations()
	all.Add(migrate.Migration{Name: "1", Up: func(ctx context.Context, _ *migrate.Migrator, _ *migrate.Migration) error {
		for _, model := range []any{(*bunAuthor)(nil), (*bunBook)(nil), (*bunTag)(nil), (*bunBookTag)(nil)} {
			if _, err := s.b.NewCreateTable().Model(model).IfNotExists().WithForeignKeys().Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	}})
	all.Add(migrate.Migration{Name: "2", Up: func(ctx context.Context, _ *migrate.Migrator, _ *migrate.Migration) error {
		_, err := s.b.NewCreateIndex().Model((*bunBook)(nil)).Index("books_price").Column("price").Exec(ctx)
		return err
	}})
	m := migrate.NewMigrator(s.b, all)
	if err := m.Init(ctx); err != nil {
		return err
	}
	if err := m.Lock(ctx); err != nil {
		return err
	}
	_, err := m.Migrate(ctx)
	return errors.Join(err, m.Unlock(ctx))
}

func (s *bunShop) trade(ctx context.Context) (saw []string, err error) {
	see := func(v any) { saw = append(saw, fmt.Sprintf("%+v", v)) }
	ann := &bunAuthor{Name: "ann"}
	if _, err := s.b.NewInsert().Model(ann).Exec(ctx); err != nil {
		return saw, err
	}
	see(ann.ID)
	price := 1.5
	books := []bunBook{{AuthorID: ann.ID, Title: "b1", Cover: cover, Printed: printed}, {AuthorID: ann.ID, Title: "b2", Price: &price}}
	tags := []bunTag{{Name: "t1"}, {Name: "t2"}}
	err = s.b.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&books).Returning("*").Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&tags).Exec(ctx); err != nil {
			return err
		}
		links := []bunBookTag{{BookID: books[0].ID, TagID: tags[0].ID}, {BookID: books[0].ID, TagID: tags[1].ID}}
		_, err := tx.NewInsert().Model(&links).Exec(ctx)
		return err
	})
	see([]any{books[1].ID, tags[1].ID, err})
	_, err = s.b.NewInsert().Model(&bunAuthor{Name: "ann"}).Exec(ctx)
	see(err != nil)
	var found []bunBook
	if err := s.b.NewSelect().Model(&found).Relation("Author").Relation("Tags").OrderExpr("b.title").Scan(ctx); err != nil {
		return saw, err
	}
	for _, b := range found {
		see([]any{b.ID, b.Title, b.Price != nil, b.Cover, b.Printed, b.Author.Name, len(b.Tags)})
	}
	values := s.b.NewValues(&[]bunBook{{ID: books[0].ID, Title: "B1"}, {ID: books[1].ID, Title: "B2"}}).Column("id", "title")
	r, err := s.b.NewUpdate().With("v", values).Model((*bunBook)(nil)).TableExpr("v").Set("title = v.title").Where("b.id = v.id").Exec(ctx)
	if err != nil {
		return saw, err
	}
	n, _ := r.RowsAffected()
	see(n)
	var title string
	err = s.b.NewDelete().Model((*bunBook)(nil)).Where("title = ?", "B2").Returning("title").Scan(ctx, &title)
	see(title)
	return saw, err
}

func (s *bunShop) visit(ctx context.Context, n int) error {
	return s.b.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		author := &bunAuthor{Name: "visitor", Visits: 1}
		_, err := tx.NewInsert().Model(author).On("CONFLICT (name) DO UPDATE").Set("visits = a.visits + 1").Returning("*").Exec(ctx)
		if err != nil {
			return err
		}
		add := func(ctx context.Context, tx bun.Tx, suffix string) error {
			_, err := tx.NewInsert().Model(&bunBook{AuthorID: author.ID, Title: visitTitle(n, suffix)}).Exec(ctx)
			return err
		}
		if err := add(ctx, tx, ""); err != nil {
			return err
		}
		err = tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return add(ctx, tx, "-kept") })
		if err != nil {
			return err
		}
		err = tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			return errors.Join(add(ctx, tx, "-undone"), errUndo)
		})
		if errors.Is(err, errUndo) && !errors.As(err, new(interface{ Code() int })) {
			return nil
		}
		return err
	})
}
