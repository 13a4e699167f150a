package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// maxSource is the most that fmt reads of one file: more is not a spec.
const maxSource = 64 << 20

func (c *cli) fmtCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [-check] [FILE...]",
		Short: "Write specs in HCL's canonical form",
		Long: `Write the *.hcl files of the spec directory, or the named ones, in HCL's
canonical form and print the names of those that changed. Comments survive. "-"
formats standard input to standard output.

With -check nothing is written; the names of the files that would change are
printed.

Exit code: 0 done, 1 a file cannot be read or is not HCL, 3 -check and
something would change.`,
		RunE: func(_ *cobra.Command, args []string) error {
			files := args
			if len(files) == 0 {
				var err error
				if files, err = hclFiles(c.specDir()); err != nil {
					return err
				}
			}
			code := exitOK
			for _, file := range files {
				changed, err := c.format(file, check)
				switch {
				case err != nil:
					c.report(err, programName+" fmt")
					code = exitFailed
				case changed && check && code == exitOK:
					code = exitDiffers
				}
			}
			return silent(code)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, exit 3 if something would change (-check works too)")
	return cmd
}

// hclFiles are the files of a spec directory that have a canonical form: JSON
// has none.
func hclFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read spec directory %s: %w", dir, reason(err))
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); hclspec.IsSpecFile(name) && strings.HasSuffix(name, ".hcl") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files, nil
}

// format brings one file into its canonical form and tells whether it was not.
func (c *cli) format(file string, check bool) (bool, error) {
	if file == "-" {
		src, err := io.ReadAll(io.LimitReader(c.in, maxSource))
		if err != nil {
			return false, fmt.Errorf("cannot read standard input: %w", err)
		}
		out, err := hclspec.FormatSource(src)
		if err != nil {
			return false, notHCL("standard input", err)
		}
		if !check {
			_, err = c.out.Write(out)
		}
		return !bytes.Equal(src, out), err
	}
	if strings.HasSuffix(file, ".json") {
		return false, fmt.Errorf("cannot format %s: JSON has no canonical HCL form", file)
	}
	// A symlink stays one: what it points to is written.
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return false, fmt.Errorf("cannot format %s: %w", file, reason(err))
	}
	info, err := os.Stat(target)
	if err != nil {
		return false, fmt.Errorf("cannot format %s: %w", file, reason(err))
	}
	switch {
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("cannot format %s: not a regular file", file)
	case info.Size() > maxSource:
		return false, fmt.Errorf("cannot format %s: larger than %s", file, size(maxSource))
	}
	src, err := os.ReadFile(target)
	if err != nil {
		return false, fmt.Errorf("cannot format %s: %w", file, reason(err))
	}
	out, err := hclspec.FormatSource(src)
	if err != nil {
		return false, notHCL(file, err)
	}
	if bytes.Equal(src, out) {
		return false, nil
	}
	if !check {
		if err := replaceFile(target, out, info); err != nil {
			return false, fmt.Errorf("cannot write %s: %w", file, reason(err))
		}
	}
	fmt.Fprintln(c.out, file)
	return true, nil
}

// notHCL names the file, and the place in it where the error knows one.
func notHCL(file string, err error) error {
	sep := ": "
	var syntax *hclspec.SyntaxError
	if errors.As(err, &syntax) && syntax.Diagnostics[0].Subject != nil {
		sep = ":"
	}
	return fmt.Errorf("cannot format %s%s%w", file, sep, err)
}

// replaceFile writes a file anew, whole or not at all, with the mode and the
// owner it had.
func replaceFile(path string, data []byte, info fs.FileInfo) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(info.Mode().Perm()), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if uid, gid, ok := ownerOf(info); ok {
		// Only root may give a file away; for others it is theirs already.
		if err := f.Chown(uid, gid); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
