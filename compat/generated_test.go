package compat

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "the generated code was just written: note from what")

// TestGeneratedCodeIsFresh compares what the generators read with what they read
// when the committed code was written. Running them takes minutes, so it is not
// done here; "make compat-generate" does it.
func TestGeneratedCodeIsFresh(t *testing.T) {
	const noted = "internal/sources.sum"
	var now bytes.Buffer
	for _, name := range []string{
		"internal/entshop/generate.go", "internal/entshop/schema/schema.go",
		"internal/sqlcshop/schema.sql", "internal/sqlcshop/query.sql", "internal/sqlcshop/sqlc.yaml",
	} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&now, "%x  %s\n", sha256.Sum256(content), name)
	}
	if *update {
		if err := os.WriteFile(noted, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(noted)
	if err != nil || !bytes.Equal(before, now.Bytes()) {
		t.Errorf("the sources of generated code changed (%v); run make compat-generate\n%s", err, now.Bytes())
	}
}
