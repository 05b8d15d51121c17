package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// wantLaunch launches p and wants an error of a kind with some words in it, and
// nothing left over.
func wantLaunch(t *testing.T, p Program, kind error, words ...string) {
	t.Helper()
	sdktest.NoLeaks(t)
	pl, err := Launch(within(t), p)
	if err == nil {
		_ = pl.Close(context.Background())
		t.Fatal("it was launched")
	}
	if !errors.Is(err, kind) {
		t.Errorf("error %q, want %v", err, kind)
	}
	for _, w := range append(words, p.Name) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// copyProgram copies this test binary, so that it can be changed.
func copyProgram(t *testing.T, p Program) Program {
	t.Helper()
	b, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	p.Path = filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(p.Path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProgramMissing(t *testing.T) {
	wantLaunch(t, Program{Name: "x", Path: "/nowhere/at/all"}, sdk.ErrInvalid, "there is no program", "/nowhere/at/all")
}

func TestProgramPathRelative(t *testing.T) {
	wantLaunch(t, Program{Name: "x", Path: "program"}, sdk.ErrInvalid, "not an absolute path")
}

func TestProgramIsDirectory(t *testing.T) {
	wantLaunch(t, Program{Name: "x", Path: t.TempDir()}, sdk.ErrInvalid, "not a regular file")
}

func TestProgramExitsAtOnce(t *testing.T) {
	wantLaunch(t, program(t, "exits"), sdk.ErrUnavailable, "exit status 3", "I give up")
}

func TestProgramPrintsToStdoutFirst(t *testing.T) {
	wantLaunch(t, program(t, "prints first"), sdk.ErrIncompatible, `"hello there"`, "standard output")
}

func TestProgramIsNoPlugin(t *testing.T) {
	wantLaunch(t, Program{Name: "true", Path: "/bin/true"}, sdk.ErrUnavailable, "it printed nothing")
}

func TestProgramNeverFinishesHandshake(t *testing.T) {
	p := program(t, "no handshake")
	p.StartTimeout = 300 * time.Millisecond
	wantLaunch(t, p, sdk.ErrUnavailable, "did not finish the handshake within 300ms", "thinking")
}

func TestLaunchCancelled(t *testing.T) {
	sdktest.NoLeaks(t)
	ctx, cancel := context.WithCancel(within(t))
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Launch(ctx, program(t, "no handshake")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestLaunchWithEndedContext: it does not wait for a program that never gets ready.
func TestLaunchWithEndedContext(t *testing.T) {
	sdktest.NoLeaks(t)
	p := program(t, "no handshake")
	p.StartTimeout = time.Hour
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Launch(over, p); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := Launch(soon, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestProgramOfOlderOrNewerProtocol(t *testing.T) {
	for _, role := range []string{"older protocol", "newer protocol"} {
		t.Run(role, func(t *testing.T) {
			wantLaunch(t, program(t, role), sdk.ErrIncompatible, "another version of the plugin protocol")
		})
	}
}

func TestProgramDoesNotSayWhatItIs(t *testing.T) {
	wantLaunch(t, program(t, "nameless"), sdk.ErrIncompatible, "does not say what it is")
}

func TestProgramTakesCarrierThatWasNotOffered(t *testing.T) {
	wantLaunch(t, program(t, "odd carrier"), sdk.ErrIncompatible, "pigeons")
}

func TestProgramDoesNotServeWhatItDeclares(t *testing.T) {
	sdktest.NoLeaks(t)
	pl, err := Launch(within(t), program(t, "wrong stage"))
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close(context.Background())
	if !pl.Describe().Serves(sdk.StageStore) {
		t.Errorf("Describe: %+v", pl.Describe())
	}
	if _, err := pl.Open(within(t), sdk.Env{}); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), "store stage") {
		t.Errorf("Open: %v", err)
	}
}

func TestChecksumDiffers(t *testing.T) {
	p := program(t, "good")
	p.SHA256 = make([]byte, 32)
	wantLaunch(t, p, sdk.ErrCorrupt, "SHA-256", strings.Repeat("00", 32))
}

func TestChecksumFits(t *testing.T) {
	sdktest.NoLeaks(t)
	p := program(t, "good")
	f, err := os.Open(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	p.SHA256 = sum.Sum(nil)
	openProgram(t, p, nil)
}

func TestOptionsRefusedByThePlugin(t *testing.T) {
	sdktest.NoLeaks(t)
	pl, err := Launch(within(t), program(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close(context.Background())
	if _, err := pl.Open(within(t), sdk.Env{Options: []byte(`{"refuse":true}`)}); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), "refused as told") {
		t.Errorf("error %v", err)
	}
	r, err := pl.Open(within(t), sdk.Env{})
	if err != nil {
		t.Fatalf("a second Open: %v", err)
	}
	if err := r.Close(within(t)); err != nil {
		t.Error(err)
	}
}

func TestOpenAfterCloseLaunchesAnew(t *testing.T) {
	sdktest.NoLeaks(t)
	pl, err := Launch(within(t), program(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close(context.Background())
	for range 2 {
		if err := pl.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		r, err := pl.Open(within(t), sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(within(t)); err != nil {
			t.Error(err)
		}
	}
}

// TestLongTMPDIRDoesNotBreakTheHandshake: a socket's path has 107 bytes.
func TestLongTMPDIRDoesNotBreakTheHandshake(t *testing.T) {
	sdktest.NoLeaks(t)
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	t.Setenv("XDG_RUNTIME_DIR", long)
	openProgram(t, program(t, "good"), nil)
}

func TestTLSBetweenTheProcesses(t *testing.T) {
	for _, carrier := range []string{CarrierSocketpair, CarrierStream} {
		t.Run(carrier, func(t *testing.T) {
			sdktest.NoLeaks(t)
			p := program(t, "good")
			p.TLS, p.Carrier = true, carrier
			l := dial(t, openProgram(t, p, nil))
			if got, err := l.Call(within(t), sdk.Message{Op: "echo", Body: []byte("x")}); err != nil || string(got) != "x" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestEnvironmentDoesNotLeak: the plugin sees what Program.Env says and what the
// handshake needs; not even the key of its own launch afterwards.
func TestEnvironmentDoesNotLeak(t *testing.T) {
	sdktest.NoLeaks(t)
	t.Setenv("SECRET_OF_THE_HOST", "x")
	p := program(t, "good")
	p.TLS = true
	p.Env = append(p.Env, "GIVEN=yes")
	got, err := dial(t, openProgram(t, p, nil)).Call(within(t), sdk.Message{Op: "env"})
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"GIVEN=yes": true, "SECRET_OF_THE_HOST": false, "HOME=": false, "PRIVATE KEY": false} {
		if strings.Contains(string(got), word) != want {
			t.Errorf("%s in %s: want %v", word, got, want)
		}
	}
}
