package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// specDirectory is what --write means without a folder.
const specDirectory = "the spec directory"

func (c *cli) importCommand() *cobra.Command {
	var write string
	options := facts.Options{Stdin: c.in}
	cmd := &cobra.Command{
		Use:   "import PATH...",
		Short: "Write specs for apps that run under another server",
		Long: `Read what runs an application until now, and print the spec with which the fleet
runs the same application. Nothing is changed, and nothing is started. A PATH is:

  an app folder of wsgid        wsgid.json and django.json in it
  a configuration of uWSGI      ini, yaml, json or xml, FILE:SECTION, - for standard
                                input, or a folder of vassals
  a gunicorn.conf.py            Python evaluates it, without importing the app
  a supervisord.conf            its programs, with what it includes
  a NAME.service of systemd     with drop-ins, environment files, NAME.socket, and the
                                timers and services beside it that are of the app; an
                                instance such as app@shop.service, or app@.service for
                                all that are enabled; the init script of a Debian
                                service for OpenStack
  a Procfile                    or its folder, with the .env beside it
  a ~/.piku                     with all apps that piku runs, or one of ~/.piku/apps
  a config/deploy.yml of kamal  or of a destination, with the secrets and the Dockerfile
                                beside it, or the project for all of them
  a site of Apache              with directives of mod_wsgi, or the apache2.conf
  a conf.json of NGINX Unit     or what its control socket gives
  a production.ini of Pyramid   or another file of PasteDeploy, for pserve
  a command line                of gunicorn, uwsgi, mod_wsgi-express, waitress-serve or
                                pserve, by --from command

What could not be carried over is in the spec as a comment, with what to do
instead, and is told on standard error. Placeholders and conditions that ask the
environment get that of this shell.

Secrets are not printed: the spec says file("secrets/APP/NAME"). With --write each
spec goes into a file of its own, <app>.hcl in the spec directory or in the one that
is named (--write=DIR), and its secrets into theirs, for their owner alone (mode
0600); a file that is there already is left alone. A running daemon starts such an
app at once: stop the other server for it first.

Exit code: 0 all was carried over, 1 something was not, or a spec is not complete.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("cannot import: name at least one file or folder")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := write
			if dir == specDirectory {
				dir = c.specDir()
			}
			code, printed := exitOK, 0
			for _, path := range args {
				found, err := importer.Import(options, path)
				errs := []error{err}
				for _, imported := range found {
					for _, note := range imported.Notes {
						fmt.Fprintf(c.err, "%s: %s: %s\n", path, imported.Name, oneLine(note))
					}
					if imported.Incomplete {
						code = exitFailed
					}
					errs = append(errs, c.putSpec(imported, dir, printed == 0))
					printed++
				}
				for _, err := range errs {
					if err != nil {
						c.report(err, programName+" import")
						code = exitFailed
					}
				}
			}
			return silent(code)
		},
	}
	cmd.Flags().StringVarP(&write, "write", "w", "", "write <app>.hcl files into the spec directory, or into the one named: --write=DIR")
	cmd.Flags().Lookup("write").NoOptDefVal = specDirectory
	cmd.Flags().StringVar(&options.Format, "from", "", "what the paths are, where it cannot be told: "+strings.Join(importer.Formats, ", "))
	return cmd
}

// putSpec prints a spec, or makes its file.
func (c *cli) putSpec(spec *importer.Imported, dir string, first bool) error {
	if dir == "" {
		if !first {
			fmt.Fprintln(c.out)
		}
		_, err := c.out.Write(spec.Text)
		return err
	}
	path := filepath.Join(dir, spec.Name+".hcl")
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("cannot write %s: the file already exists; move it away first", path)
	}
	// The secrets first: the daemon reads them with the spec.
	for _, name := range slices.Sorted(maps.Keys(spec.Secrets)) {
		secret := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(secret), 0o700); err != nil {
			return fmt.Errorf("cannot write %s: %w", secret, reason(err))
		}
		if have, err := os.ReadFile(secret); err == nil && string(have) == spec.Secrets[name] {
			continue // of an import before, whose spec is gone
		}
		if err := writeNewFile(secret, []byte(spec.Secrets[name]), 0o600); err != nil {
			return err
		}
	}
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
		return fmt.Errorf("cannot write %s: the file already exists; move it away first", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, reason(err))
	}
	return nil
}
