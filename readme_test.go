package ramet

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeProgram: the program in the README is examples/embed, which its own
// test builds and runs.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("examples/embed/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	got, _, ok := strings.Cut(rest, "```\n")
	if !ok || got != string(program) {
		t.Errorf("README.md's first Go block is not examples/embed/main.go; copy it over")
	}
}
