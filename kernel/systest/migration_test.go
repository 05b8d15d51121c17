//go:build unix

package systest

import (
	"context"
	"database/sql"
	"testing"
)

func migrations(o bootOptions) func(context.Context, *sql.DB) error { return nil }

var _ = testing.Short
