package assembly_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
)

// A program that takes its plugins from a file its user may edit.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "ramet-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ramet.hcl")
	if err := os.WriteFile(file, assembly.Sample(bundled.All(), ""), 0o600); err != nil {
		log.Fatal(err)
	}

	asm, err := assembly.Load(context.Background(), file, bundled.All())
	if err != nil {
		log.Fatal(err) // every fault, with file, line and what to do
	}
	defer asm.Close()
	cfg := kernel.Config{Workdir: dir}
	asm.Apply(&cfg)
	inst, err := kernel.Bootstrap(context.Background(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer inst.Close()
	fmt.Println(inst.Role(), "failover:", cfg.Failover)
	// Output: primary failover: true
}
