package sdktest

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// Ports is the conformance suite of the ports stage.
func Ports(t *testing.T, p sdk.Plugin) {
	t.Helper()
	if !p.Describe().Serves(sdk.StagePorts) {
		t.Fatalf("%s does not declare the ports stage", p.Describe().Name)
	}
	tests := map[string]func(*testing.T, sdk.Plugin){
		"there is a candidate and its scheme is declared": portsSchemes,
		"the same workspace gives the same answer":        portsSame,
		"another workspace gives another answer":          portsOther,
		"asking binds nothing":                            portsBindNothing,
		"a long or odd key works":                         portsOddKey,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			NoLeaks(t)
			test(t, p)
		})
	}
}

// portsAsk opens p for w, asks once and closes it.
func portsAsk(t *testing.T, p sdk.Plugin, w sdk.Workspace) [][]sdk.Endpoint {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := p.Open(ctx, sdk.Env{Workspace: w})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer func() {
		if err := r.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	sets, err := r.Ports().Candidates(ctx, w)
	if err != nil {
		t.Fatalf("Candidates: %v", err)
	}
	return sets
}

func portsSchemes(t *testing.T, p sdk.Plugin) {
	sets := portsAsk(t, p, transportWorkspace(t))
	if len(sets) == 0 {
		t.Fatal("no candidate and no error")
	}
	declared := map[string]bool{}
	for _, s := range p.Describe().Schemes {
		declared[s] = true
	}
	seen := map[sdk.Endpoint]bool{}
	for _, set := range sets {
		if len(set) == 0 {
			t.Error("an empty set")
		}
		for _, e := range set {
			u, err := url.Parse(string(e))
			if err != nil || !declared[u.Scheme] {
				t.Errorf("endpoint %q: scheme not declared (%v), or no URI: %v", e, p.Describe().Schemes, err)
			}
			if seen[e] {
				t.Errorf("endpoint %q twice", e)
			}
			seen[e] = true
		}
	}
}

func portsSame(t *testing.T, p sdk.Plugin) {
	w := transportWorkspace(t)
	want := portsAsk(t, p, w)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := portsAsk(t, p, w); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	wg.Wait()
}

func portsOther(t *testing.T, p sdk.Plugin) {
	seen := map[sdk.Endpoint]bool{}
	for _, set := range portsAsk(t, p, transportWorkspace(t)) {
		for _, e := range set {
			seen[e] = true
		}
	}
	for _, set := range portsAsk(t, p, transportWorkspace(t)) {
		for _, e := range set {
			if seen[e] {
				t.Logf("endpoint %q is a candidate of two workspaces; the handshake must tell them apart", e)
			}
		}
	}
}

func portsBindNothing(t *testing.T, p sdk.Plugin) {
	w := transportWorkspace(t)
	portsAsk(t, p, w)
	for _, dir := range []string{w.Dir, w.StateDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); path != w.StateDir {
				t.Errorf("Candidates made %s", path)
			}
		}
	}
}

func portsOddKey(t *testing.T, p sdk.Plugin) {
	w := transportWorkspace(t)
	for _, key := range []string{w.Key + "/../x", w.Key + " %\x00ü", string(make([]byte, 500))} {
		w.Key = key
		if len(portsAsk(t, p, w)) == 0 {
			t.Errorf("key %q: no candidate", key)
		}
	}
}
