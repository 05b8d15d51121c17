// Package assembly reads the file that says which plugin serves which stage, and
// with which options: ramet.hcl. A plugin is one that is linked in, or a program
// of its own that this package starts.
//
//	asm, err := assembly.Load(ctx, "ramet.hcl", bundled.All())
//	if err != nil {
//		return err
//	}
//	defer asm.Close()
//	cfg := kernel.Config{Workdir: dir}
//	asm.Apply(&cfg)
//	inst, err := kernel.Bootstrap(ctx, cfg)
//
// The format is described in docs/assembly.md. A program that imports this package
// links HCL, go-plugin and gRPC in; one that names its plugins in Go need not.
//
// # Faults
//
// A file is checked as a whole: [Load] and [List] return an *[Error] with every
// [Fault] they found, each with file, line, excerpt, cause, what was probably meant
// and what to do. The file is data: it is bounded in size and holds plain values
// only, and nothing in it makes this package panic, loop or block.
//
// # Trust
//
// Who writes an assembly chooses which programs run as its user. So ramet takes
// one only where it was named, never because it lies in some directory; it refuses
// one that names programs and that others could change; and a program is started
// only if its checksum is the one that [Lock] recorded in the lock file beside the
// assembly, unless the assembly waives that for it. Package remote opens the file,
// checks it, and executes what it opened.
//
// # Concurrency
//
// Everything here may be called from several goroutines. Two Locks of one assembly
// at the same time each write a whole file; the later one wins.
package assembly
