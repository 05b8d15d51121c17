package ramet

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ramet-io/ramet/"

// layers says, for each tree, what it may import of this module and from others.
// Packages that an allowed one brings along are allowed with it.
var layers = []struct {
	tree    string   // below the module; the package itself unless it ends in /...
	own     []string // trees of this module, besides itself
	foreign []string // modules of others
	why     string
}{
	{"sdk", nil, []string{"github.com/hashicorp/go-hclog"},
		"a plugin author pays for the contract only"},
	{"sdk/wire", []string{"sdk"}, []string{"google.golang.org/protobuf/encoding/protowire"},
		"the encoding needs no reflection and no generated code"},
	{"sdk/sdktest", []string{"sdk", "sdk/wire"}, nil,
		"an author's tests bring in nothing else"},
	{"sdk/internal/...", nil, []string{"google.golang.org/protobuf", "google.golang.org/grpc"},
		"generated code needs the protobuf runtime and gRPC"},
	{"sdk/remote", []string{"sdk", "sdk/wire", "sdk/internal"}, []string{"github.com/hashicorp/go-plugin", "google.golang.org/grpc",
		"google.golang.org/protobuf", "golang.org/x/sys"},
		"the one package that knows go-plugin and gRPC"},
	{"sdk/remote/remotetest", []string{"sdk", "sdk/remote", "sdk/sdktest"}, nil,
		"an author's tests bring in nothing else"},
	{"kernel", []string{"sdk", "sdk/wire", "kernel/internal"}, nil,
		"the kernel knows no SQL driver, no transport and no configuration format"},
	{"kernel/migrate", nil, []string{"github.com/pressly/goose/v3"},
		"only who migrates with goose links it in"},
	{"plugins/store-sqlite/sqlite", []string{"sdk", "sdk/wire"}, []string{"modernc.org/sqlite"},
		"a plugin sees the contract, not the kernel and not the boundary"},
	{"plugins/store-sqlite", []string{"sdk/remote"}, nil, "a program is its package and Serve"},
	{"plugins/internal/...", []string{"sdk", "sdk/wire", "plugins/internal"}, []string{"golang.org/x/sys"},
		"what transports share sees the contract, not the kernel"},
	{"plugins/transport-unix/unix", []string{"sdk", "sdk/wire", "plugins/internal"}, []string{"golang.org/x/sys"},
		"a plugin sees the contract, not the kernel and not the boundary"},
	{"plugins/transport-unix", []string{"sdk/remote"}, nil, "a program is its package and Serve"},
	{"plugins/transport-zmq/zmq", []string{"sdk", "sdk/wire", "plugins/internal"},
		[]string{"golang.org/x/sys", "github.com/go-zeromq/zmq4"},
		"a plugin sees the contract, not the kernel and not the boundary"},
	{"plugins/transport-zmq", []string{"sdk/remote"}, nil, "a program is its package and Serve"},
	{"plugins/failover-lease/lease", []string{"sdk", "sdk/wire"}, []string{"golang.org/x/sys"},
		"a plugin sees the contract, not the kernel and not the boundary"},
	{"plugins/failover-lease", []string{"sdk/remote"}, nil, "a program is its package and Serve"},
	{"assembly", []string{"sdk", "sdk/remote", "kernel"}, []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty"},
		"it starts programs and fills kernel.Config; the caller names the linked-in plugins"},
	{"plugins/bundled", []string{"sdk", "plugins"}, nil,
		"the one place that names the linked-in plugins"},
}

// TestArrows keeps kernel -> sdk <- plugins. Tests of a package are not counted: a
// plugin's test may boot a kernel.
func TestArrows(t *testing.T) {
	for _, l := range layers {
		t.Run(l.tree, func(t *testing.T) {
			self := module + strings.TrimSuffix(l.tree, "/...")
			for _, pkg := range goList(t, "{{.ImportPath}}", "./"+l.tree) {
				for _, imp := range goList(t, `{{join .Imports "\n"}}`, pkg) {
					if !permitted(imp, self, l.own, l.foreign) {
						t.Errorf("%s imports %s; not allowed: %s", pkg, imp, l.why)
					}
				}
			}
		})
	}
}

func permitted(imp, self string, own, foreign []string) bool {
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return true // standard library
	}
	below := func(tree string) bool { return imp == tree || strings.HasPrefix(imp, tree+"/") }
	if strings.HasPrefix(imp, module) {
		return below(self) || slices.ContainsFunc(own, func(tree string) bool {
			return imp == module+tree || (tree == "kernel/internal" || tree == "sdk/internal" || tree == "plugins/internal" || tree == "plugins") && below(module+tree)
		})
	}
	return imp == "github.com/hashicorp/go-hclog" || slices.ContainsFunc(foreign, below) ||
		strings.HasPrefix(self, module+"kernel") && imp == "google.golang.org/protobuf/encoding/protowire"
}

// TestEmbedderPaysForWhatItLinks: go-plugin, gRPC and the command's libraries
// never reach a program that links the plugins in.
func TestEmbedderPaysForWhatItLinks(t *testing.T) {
	for _, dep := range goList(t, `{{join .Deps "\n"}}`, "./examples/embed") {
		for _, banned := range []string{"github.com/hashicorp/go-plugin", "google.golang.org/grpc",
			"google.golang.org/protobuf/proto", "github.com/hashicorp/hcl", "github.com/zclconf/go-cty",
			module + "sdk/remote", module + "sdk/internal", "github.com/spf13/cobra", "github.com/pressly/goose", "github.com/go-zeromq/zmq4"} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("examples/embed links %s", dep)
			}
		}
	}
}

func goList(t *testing.T, format string, pkgs ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, pkgs...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", pkgs, err)
	}
	return strings.Fields(string(out))
}
