package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) importCommand() *cobra.Command {
	var write bool
	cmd := &cobra.Command{
		Use:   "import PATH...",
		Short: "Write the specs of app folders that wsgid ran until now",
		Long: `Read the wsgid.json and django.json of each app folder and print the spec with
which the fleet runs the same app. The folders are not changed. What could not
be carried over is told on standard error.

The specs hold the folders' secrets in clear. With --write each goes into a file
of its own in the spec directory, <app>.hcl, for its owner alone (mode 0600); a
file that is there already is left alone. A running daemon starts such an app at
once: stop wsgid for it first.

Exit code: 0 done, 1 a folder could not be imported, or its spec is not complete.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("cannot import: name at least one app folder")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			code := exitOK
			for i, path := range args {
				imported, err := fleet.Import(path)
				if err == nil {
					for _, note := range imported.Notes {
						fmt.Fprintf(c.err, "%s: %s: %s\n", path, imported.Name, oneLine(note))
					}
					if imported.Incomplete {
						code = exitFailed
					}
					err = c.putSpec(imported, write, i == 0)
				}
				if err != nil {
					c.report(err, programName+" import")
					code = exitFailed
				}
			}
			return silent(code)
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write <app>.hcl files into the spec directory")
	return cmd
}

// putSpec prints a spec, or makes its file.
func (c *cli) putSpec(spec *fleet.Imported, write, first bool) error {
	if !write {
		if !first {
			fmt.Fprintln(c.out)
		}
		_, err := c.out.Write(spec.Text)
		return err
	}
	path := filepath.Join(c.specDir(), spec.Name+".hcl")
	if err := writeNewFile(path, spec.Text, 0o600); err != nil {
		return err
	}
	fmt.Fprintln(c.out, path)
	return nil
}

// writeNewFile makes a spec file that is not there yet.
func writeNewFile(path string, text []byte, mode fs.FileMode) error {
	// The daemon passes over names that begin with a dot: it sees the file whole.
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, reason(err))
	}
	defer os.Remove(temp)
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		// A link and not a rename, which would take the place of what is there.
		err = os.Link(temp, path)
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		err = linkErr.Err
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: there is such a file already; move it away first", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, reason(err))
	}
	return nil
}
