package sockfile

import (
	"io/fs"
	"os"
	"path/filepath"
)

// runtimeDirs returns where a user's sockets belong: the local profile, whose
// access list admits the user and administrators only.
func runtimeDirs() []string {
	if dir := os.Getenv("LocalAppData"); filepath.IsAbs(dir) {
		return []string{dir}
	}
	return nil
}

func tempName() string { return "ramet" }

// checkOwner has nothing to look at: mode bits mean nothing on Windows, and the
// access list is inherited from the profile.
func checkOwner(string, fs.FileInfo) error { return nil }
