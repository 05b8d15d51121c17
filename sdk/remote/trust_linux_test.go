package remote

import (
	"context"
	"os"
	"testing"

	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestProgramSwappedBetweenCheckAndStart: what was opened and checked is what
// runs, whatever its path names by then.
func TestProgramSwappedBetweenCheckAndStart(t *testing.T) {
	sdktest.NoLeaks(t)
	p := copyProgram(t, program(t, "good"))
	p.StartTimeout = DefaultStartTimeout
	p.Logger = discard
	file, err := p.verify()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(p.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path, []byte("#!/bin/sh\necho I am another\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := startChild(within(t), p, file)
	if err != nil {
		t.Fatal(err)
	}
	if c.info.Name != "test" {
		t.Errorf("it is %q", c.info.Name)
	}
	if err := c.end(context.Background()); err != nil {
		t.Error(err)
	}
}
