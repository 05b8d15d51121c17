package assembly_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

// The test binary is also each plugin program: its arguments say which.
const asPlugin = "serve-plugin"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asPlugin {
		serve(os.Args[2], os.Args[3:])
	}
	os.Exit(m.Run())
}

// serve is the main of the plugin programs.
func serve(name string, args []string) {
	switch name {
	case "dies":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(3)
	case "strict":
		remote.Serve(strict{name: "strict"})
	case "describes-itself": // tells its arguments and environment
		os.Unsetenv("PATH")
		text := strings.Join(args, " ") + "|" + strings.Join(slices.Sorted(slices.Values(os.Environ())), " ")
		remote.Serve(strict{name: name, doc: text})
	}
	for _, p := range bundled.All() {
		if p.Describe().Name == name {
			remote.Serve(p)
		}
	}
	os.Exit(2)
}

// strict is a plugin with each kind of option. It cannot be opened.
type strict struct{ name, doc string }

func (s strict) Describe() sdk.Info {
	return sdk.Info{Name: s.name, Version: "1.2.3", Stages: []sdk.Stage{sdk.StageStore}, Options: []sdk.Option{
		{Name: "url", Type: sdk.OptionString, Required: true, Doc: "Where the engine is." + s.doc},
		{Name: "conns", Type: sdk.OptionInt, Min: "1"},
		{Name: "fast", Type: sdk.OptionBool},
		{Name: "wait", Type: sdk.OptionDuration, Min: "1s"},
	}}
}

func (strict) Open(context.Context, sdk.Env) (sdk.Running, error) {
	return nil, fmt.Errorf("%w: this plugin is for tests", sdk.ErrUnsupported)
}

// installed is a directory with plugin programs and an assembly of them.
type installed struct {
	dir, file string
}

// install puts the test binary into a fresh directory as prog.
func install(t *testing.T) installed {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in := installed{dir: dir, file: filepath.Join(dir, "ramet.hcl")}
	if err := os.Link(self, in.path("prog")); err != nil {
		copyFile(t, self, in.path("prog"))
	}
	if err := os.Chmod(in.path("prog"), 0o755); err != nil {
		t.Fatal(err)
	}
	return in
}

func (in installed) path(name string) string { return filepath.Join(in.dir, name) }

// write replaces the assembly.
func (in installed) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(in.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is a plugin block that runs prog as name.
func program(name string, more ...string) string {
	return fmt.Sprintf("plugin %q {\n  path = \"prog\"\n  args = [%q, %q]\n%s\n}\n", name, asPlugin, name, strings.Join(more, "\n"))
}

// external is an assembly of programs alone.
func external() string {
	return program("transport-unix") + program("failover-lease") + program("store-sqlite")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
