package ramet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented are the packages that others program against.
var documented = []string{"sdk", "sdk/wire", "sdk/sdktest", "sdk/remote", "sdk/remote/remotetest", "kernel", "kernel/migrate", "plugins/bundled",
	"plugins/store-sqlite/sqlite", "plugins/transport-unix/unix", "plugins/failover-lease/lease"}

// TestExportedNamesAreDocumented: each package, type, function, method, constant and
// variable, and each method of an interface. A group may have one comment for all.
func TestExportedNamesAreDocumented(t *testing.T) {
	names := 0
	for _, dir := range documented {
		hasDoc := false
		for _, f := range parseDir(t, dir) {
			hasDoc = hasDoc || f.Doc != nil
			for _, d := range f.Decls {
				for name, ok := range exported(d) {
					if names++; !ok {
						t.Errorf("%s: %s has no comment", dir, name)
					}
				}
			}
		}
		if !hasDoc {
			t.Errorf("%s: the package has no comment", dir)
		}
	}
	if names < 300 {
		t.Errorf("%d names only: the packages have moved", names)
	}
}

func parseDir(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(paths), err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// exported returns the exported names of a declaration, and whether each has a comment.
func exported(d ast.Decl) map[string]bool {
	names := map[string]bool{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if of := receiver(d); d.Name.IsExported() && (of == "" || ast.IsExported(of)) {
			names[strings.TrimPrefix(of+"."+d.Name.Name, ".")] = d.Doc != nil
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					names[s.Name.Name] = d.Doc != nil || s.Doc != nil || s.Comment != nil
					methods(names, s)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						names[n.Name] = d.Doc != nil || s.Doc != nil || s.Comment != nil
					}
				}
			}
		}
	}
	return names
}

// methods adds those of an interface.
func methods(names map[string]bool, s *ast.TypeSpec) {
	i, ok := s.Type.(*ast.InterfaceType)
	if !ok {
		return
	}
	for _, m := range i.Methods.List {
		for _, n := range m.Names {
			names[s.Name.Name+"."+n.Name] = m.Doc != nil || m.Comment != nil
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.Ident:
			return x.Name
		default:
			return "?"
		}
	}
}

// TestNoSilentSkip: a test that cannot run says so with sdktest.NotRun, which make
// test lists, and in no other way.
func TestNoSilentSkip(t *testing.T) {
	looked := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || path == "doc_test.go" {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for _, call := range []string{".Skip(", ".Skipf(", ".SkipNow("} {
			if n := strings.Count(string(source), call); n > 0 && path != filepath.Join("sdk", "sdktest", "notrun.go") {
				t.Errorf("%s: %s; use sdktest.NotRun", path, call)
			}
		}
		return nil
	})
	if err != nil || looked < 100 {
		t.Errorf("%d files, %v", looked, err)
	}
}

// TestGuaranteesNameTestsThatExist: a promise whose test was renamed or taken away has
// none.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	promises, err := os.ReadFile("GUARANTEES.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		sources.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(promises), -1)
	for _, name := range names {
		if !strings.Contains(sources.String(), "func "+name[1]+"(") {
			t.Errorf("GUARANTEES.md names %s, which is nowhere", name[1])
		}
	}
	if len(names) < 50 {
		t.Errorf("%d names only", len(names))
	}
}
