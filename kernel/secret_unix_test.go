//go:build unix

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestSecretThatOthersMayKnowIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"readable": func(path string) error { return os.Chmod(path, 0o640) },
		"short":    func(path string) error { return os.Truncate(path, 31) },
		"long":     func(path string) error { return os.Truncate(path, 33) },
		"link": func(path string) error {
			return errors.Join(os.Rename(path, path+"x"), os.Symlink(path+"x", path))
		},
	} {
		dir := t.TempDir()
		if _, err := makeSecret(dir); err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Join(dir, secretName)); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret(dir); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: read: %v", name, err)
		}
		if _, err := makeSecret(dir); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: made over it: %v", name, err)
		}
	}
}
