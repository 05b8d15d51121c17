package assembly_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/plugins/bundled"
)

// FuzzList feeds garbage as an assembly, in either form, and as its lock file. No
// program is started: the fuzzer could find one.
func FuzzList(f *testing.F) {
	for _, seed := range []string{everything, all, "kernel {\n  data = \"${x}\"\n}", "plugin \"a\" { path = \"b\"\n}", "<<E\nE",
		"plugin \"a\" {\n platform \"linux/amd64\" {\n  version = \"1\"\n  sha256 = \"00\"\n}\n}\n"} {
		f.Add("ramet.hcl", seed, seed)
	}
	f.Add("ramet.hcl.json", everythingJSON, all)
	f.Fuzz(func(t *testing.T, name, text, lock string) {
		file := "ramet.hcl"
		if strings.HasSuffix(name, ".json") {
			file = "ramet.hcl.json"
		}
		path := write(t, file, text)
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "ramet.lock.hcl"), []byte(lock), 0o600); err != nil {
			t.Fatal(err)
		}
		parts, err := assembly.List(path, bundled.All())
		if err == nil && len(parts) == 0 {
			t.Error("no error and no plugin")
		}
		if err == nil {
			return
		}
		for _, r := range err.Error() {
			if !unicode.IsPrint(r) && r != '\n' && !bytes.ContainsRune([]byte(path), r) {
				t.Fatalf("%q is not fit for a terminal: %q", r, err)
			}
		}
	})
}
