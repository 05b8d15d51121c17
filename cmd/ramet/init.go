package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
)

func newInit() *cobra.Command {
	var w workspace
	var external, force bool
	var programs string
	c := &cobra.Command{
		Use:   "init [FILE]",
		Short: "write a commented assembly file",
		Long: `Init writes an assembly of the bundled plugins to FILE (default: ramet.hcl), with
automatic failover on. With --external each plugin is a program of its own, and the
lock file with their checksums is written too: you trust the programs that are there.
To ask them for their versions it starts each one.`,
		Args: exactly(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			file := w.chosen()
			if len(args) > 0 {
				file = args[0]
			}
			if !strings.HasSuffix(file, ".hcl") {
				return usage(c, fmt.Errorf("FILE is %q; give it a name that ends in .hcl", file))
			}
			dir := ""
			if external || programs != "" {
				var err error
				if dir, err = programDir(programs, file); err != nil {
					return err
				}
			}
			return initialise(c, file, dir, force)
		},
	}
	w.place(c)
	c.Flags().BoolVar(&external, "external", false, "plugins are programs, not linked in")
	c.Flags().StringVar(&programs, "plugins", "", "with --external, the `DIR` of the programs (default: plugins beside this program)")
	c.Flags().BoolVar(&force, "force", false, "replace FILE")
	return c
}

// programDir returns how file names the directory of the plugin programs: relative
// if it lies below the file's own, so that both can be moved together.
func programDir(dir, file string) (string, error) {
	if dir == "" {
		program, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find this program: %w; name the directory with --plugins", err)
		}
		if program, err = filepath.EvalSymlinks(program); err != nil {
			return "", fmt.Errorf("find this program: %w; name the directory with --plugins", err)
		}
		dir = filepath.Join(filepath.Dir(program), "plugins")
	}
	full, err := canonical(dir)
	if err != nil {
		return "", fmt.Errorf("%w: the directory of the programs: %w; name another with --plugins", sdk.ErrInvalid, err)
	}
	base, err := canonical(filepath.Dir(file))
	if err != nil {
		return "", fmt.Errorf("%w: the directory of %s: %w; make it first", sdk.ErrInvalid, file, err)
	}
	if relative, err := filepath.Rel(base, full); err == nil && filepath.IsLocal(relative) {
		return relative, nil
	}
	return full, nil
}

func canonical(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// initialise writes the file and, if it names programs, its lock. A file without
// its lock is of no use, so it does not stay: what was there before comes back.
func initialise(c *cobra.Command, file, programs string, force bool) error {
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	was := err == nil
	if err := create(file, assembly.Sample(bundled.All(), programs), force); err != nil {
		return err
	}
	out := c.OutOrStdout()
	if programs != "" {
		if _, err := assembly.Lock(c.Context(), file, available.Plugins()); err != nil {
			if was {
				return errors.Join(err, create(file, before, true))
			}
			return errors.Join(err, os.Remove(file))
		}
		fmt.Fprintf(out, "wrote %s\n", assembly.LockFile(file))
	}
	fmt.Fprintf(out, "wrote %s\n", file)
	fmt.Fprintf(out, "use it with: ramet run --assembly %s\n", file)
	return nil
}

// create writes a whole file at once; force replaces one that is there.
func create(file string, text []byte, force bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".ramet-*")
	if err != nil {
		return fmt.Errorf("%w: write %s: %w; make its directory first, writable to you", sdk.ErrInvalid, file, err)
	}
	defer os.Remove(tmp.Name()) // gone already after a rename
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if force {
		err = os.Rename(tmp.Name(), file)
	} else if err = os.Link(tmp.Name(), file); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s is there already; replace it with --force", sdk.ErrInvalid, file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
