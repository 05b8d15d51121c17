//go:build !linux

package lease

// checkFilesystem has no list for this system.
func checkFilesystem(string, bool) (note string, err error) { return "", nil }
