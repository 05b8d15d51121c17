package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"testing"

	"github.com/ramet-io/ramet/sdk"
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
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

// TestProgramOverwrittenBeforeARestart: the opened file itself gets other content,
// as "cp" gives it, after its process ended.
func TestProgramOverwrittenBeforeARestart(t *testing.T) {
	sdktest.NoLeaks(t)
	p := copyProgram(t, program(t, "good"))
	content, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	p.SHA256, p.StartTimeout, p.Logger = sum[:], DefaultStartTimeout, discard
	pl, err := Launch(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close(context.Background())
	r, err := pl.Open(within(t), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path, append(content, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := pl.Open(within(t), sdk.Env{}); !errors.Is(err, sdk.ErrCorrupt) {
		t.Errorf("the changed program was opened: %v, error %v", r, err)
	}
}
