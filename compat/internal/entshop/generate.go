// Package entshop is the shop as ent generates it.
package entshop

//go:generate go run -mod=mod entgo.io/ent/cmd/ent generate --feature sql/upsert,sql/execquery ./schema
