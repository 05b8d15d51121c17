// Package schema is the shop as ent describes it; ent generates the package above
// from it (make compat-generate).
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Author has books.
type Author struct{ ent.Schema }

// Fields implements [ent.Interface].
func (Author) Fields() []ent.Field {
	return []ent.Field{field.String("name").Unique(), field.Int("visits").Default(0)}
}

// Edges implements [ent.Interface].
func (Author) Edges() []ent.Edge { return []ent.Edge{edge.To("books", Book.Type)} }

// Book has one author and any number of tags.
type Book struct{ ent.Schema }

// Fields implements [ent.Interface].
func (Book) Fields() []ent.Field {
	return []ent.Field{
		field.String("title").Unique(),
		field.Float("price").Optional(),
		field.Bytes("cover").Optional(),
		field.Time("printed").Optional().Nillable(),
		field.Int("author_id"),
	}
}

// Edges implements [ent.Interface].
func (Book) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("author", Author.Type).Ref("books").Field("author_id").Unique().Required(),
		edge.To("tags", Tag.Type),
	}
}

// Tag is on books.
type Tag struct{ ent.Schema }

// Fields implements [ent.Interface].
func (Tag) Fields() []ent.Field { return []ent.Field{field.String("name").Unique()} }

// Edges implements [ent.Interface].
func (Tag) Edges() []ent.Edge { return []ent.Edge{edge.From("books", Book.Type).Ref("tags")} }
