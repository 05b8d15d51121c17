package lease

import (
	"errors"
	"io/fs"
	"syscall"
)

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isLoop(error) bool { return false }

// checkOwner trusts the access control of the user's own directories.
func checkOwner(string, fs.FileInfo) error { return nil }
