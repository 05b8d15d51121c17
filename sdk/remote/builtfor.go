package remote

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
)

// builtFor says, for an error text, what machine a program was built for.
func builtFor(path string) string {
	if f, err := elf.Open(path); err == nil {
		defer f.Close()
		return fmt.Sprintf(" (it is an ELF file for %s)", f.Machine)
	}
	if f, err := macho.Open(path); err == nil {
		defer f.Close()
		return fmt.Sprintf(" (it is a Mach-O file for %s)", f.Cpu)
	}
	if f, err := pe.Open(path); err == nil {
		defer f.Close()
		return fmt.Sprintf(" (it is a Windows program for machine %#x)", f.Machine)
	}
	return " (its format is not known)"
}
