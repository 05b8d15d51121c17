package assembly

import (
	"fmt"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// LockText returns a lock file of one plugin.
func LockText(name, version string) string {
	l := &lock{plugins: map[string]map[string]locked{name: {platform(): {version: version, sha256: strings.Repeat("0", 64), stages: []sdk.Stage{sdk.StageStore}}}}}
	return string(l.bytes())
}

// ReadLockText returns what a lock file of one plugin says.
func ReadLockText(path string) (string, error) {
	s := open(path, path)
	l := &lock{plugins: map[string]map[string]locked{}}
	if s.body != nil {
		for _, b := range s.content(s.body, lockSchema, "the lock file").Blocks {
			s.readLocked(b, l)
		}
	}
	for name, on := range l.plugins {
		return fmt.Sprint(name, " ", on[platform()].version), s.err(path)
	}
	return "", s.err(path)
}
