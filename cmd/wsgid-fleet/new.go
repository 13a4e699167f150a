package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/checkout"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

type newFlags struct {
	app, listen, output string
	dryRun              bool
}

func (c *cli) newCommand() *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new NAME PATH",
		Short: "Write the spec of a checkout, with a reason for each choice",
		Long: `Look at the checkout of a Python project and write a spec that runs it as the app
NAME: into NAME.hcl of the spec directory, where a running daemon starts it at
once, or with -o - to standard output. No code of the project is imported or run.

What the project says itself comes first: the line web of a Procfile, FLASK_APP of
.flaskenv, manage.py and wsgi.py of Django; then application or app in a wsgi.py,
what Flask or another framework makes, create_app. Where it may mean two things the
command names them, and --app says which. A virtualenv in the checkout or beside it
is taken. PATH may be a link to a release.

The code stays whosever it is: the fleet makes logs/, pid/, plugins/, wsgid.json and
django.json beside it. A file that is there already is never written over.

Exit code: 0 done, 1 not.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("cannot write a spec: name the app and the folder of its checkout: wsgid-fleet new NAME PATH")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.writeNew(cmd.Context(), args[0], args[1], f) },
	}
	cmd.Flags().StringVar(&f.app, "app", "", "the application, where the checkout has several: `module:name`")
	cmd.Flags().StringVar(&f.listen, "listen", "", "`address` of its socket (default: the first free port from 8000 on, of this machine only)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "`file` to write instead; - is standard output")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the spec, as -o - does")
	return cmd
}

// writeNew writes the spec of a checkout, or prints it.
func (c *cli) writeNew(ctx context.Context, name, checkoutPath string, f newFlags) error {
	if !appspec.ValidName(name) {
		return fmt.Errorf("cannot write a spec for app %q: a name has small letters, digits, - and _, at most 63, and begins with a letter or digit", name)
	}
	path, err := filepath.Abs(checkoutPath)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", checkoutPath, reason(err))
	}
	toFile := f.output != "-" && !f.dryRun
	dir, followed, err := c.dirOfNew(ctx, toFile && f.output == "")
	if err != nil {
		return err
	}
	file := cmp.Or(f.output, filepath.Join(dir, name+".hcl"))
	if toFile {
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("cannot write %s: the file already exists; move it away first, or choose another name", file)
		}
	}
	set, err := c.load(dir)
	if err != nil {
		if toFile && f.output == "" {
			return err
		}
		set = &hclspec.Set{}
	}
	if err := notTaken(set, name, path); err != nil {
		return err
	}
	found, err := checkout.Look(path, f.app)
	if err != nil {
		return err
	}
	if to, err := filepath.EvalSymlinks(path); err == nil && to != path {
		found.Notes = append(found.Notes, path+" leads to "+to+" now; when it leads to another release, the app is replaced by that")
	}
	text := found.Spec(name, listenOfNew(ctx, set, f.listen), userOfNew(path))
	if err := proveNew(dir, name, text); err != nil {
		return err
	}
	if !toFile {
		_, err := c.out.Write(text)
		return err
	}
	if err := writeNewFile(file, text, 0o644); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w; write it as the owner of the directory, or print it: wsgid-fleet new -o - %s %s", err, name, checkoutPath)
		}
		return err
	}
	fmt.Fprintln(c.out, file)
	then := "review the file, then: wsgid-fleet plan " + name
	if followed {
		then = "the daemon has it now; review the file, and see: wsgid-fleet status " + name
	}
	fmt.Fprintf(c.err, "app %s: %s; %s\n", name, cmp.Or(found.App.Value, "the Django project"), then)
	return nil
}

// dirOfNew is the spec directory that a new file belongs into: that of the running
// daemon, where none is named. Then a file that is written there is followed by it.
func (c *cli) dirOfNew(ctx context.Context, writes bool) (dir string, followed bool, err error) {
	if c.dir != "" {
		return c.dir, writes && c.isFollowed(ctx, c.dir), nil
	}
	op, err := c.operator(ctx)
	if err != nil {
		if _, ok := errors.AsType[*fleet.NeighbourError](err); ok && writes {
			return "", false, err
		}
		return c.specDir(), false, nil
	}
	defer op.Close()
	if client, ok := op.(*fleet.Client); ok && client.Daemon().Dir != "" {
		return client.Daemon().Dir, writes, nil
	}
	return c.specDir(), false, nil
}

// isFollowed tells whether a daemon runs that follows a directory.
func (c *cli) isFollowed(ctx context.Context, dir string) bool {
	op, err := c.operator(ctx)
	if err != nil {
		return false
	}
	defer op.Close()
	client, ok := op.(*fleet.Client)
	abs, err := filepath.Abs(dir)
	return ok && err == nil && client.Daemon().Dir == abs
}

// notTaken refuses a name or a folder that another app has.
func notTaken(set *hclspec.Set, name, path string) error {
	if s := set.Specs[name]; s != nil {
		return fmt.Errorf("cannot write a spec for app %s: %s already has an app of that name; choose another name", name, s.File)
	}
	names := setNames(set)
	if names.known(name) || names.environments[name] != nil {
		return fmt.Errorf("cannot write a spec for app %s: %s already has an app of that name; choose another name", name, set.Dir)
	}
	for _, s := range set.Specs {
		if s.Path == path {
			return fmt.Errorf("cannot write a spec for app %s: %s runs %s already, as app %s", name, s.File, path, s.Name)
		}
	}
	return nil
}

// listenOfNew is the address of the socket.
func listenOfNew(ctx context.Context, set *hclspec.Set, given string) checkout.Choice {
	if given != "" {
		return checkout.Choice{Value: given, Why: "as --listen says"}
	}
	taken := map[string]bool{}
	for _, s := range set.Specs {
		for _, h := range s.Sockets.HTTP {
			taken[h.Listen[strings.LastIndexByte(h.Listen, ':')+1:]] = true
		}
	}
	for port := 8000; port < 9000; port++ {
		text := strconv.Itoa(port)
		if taken[text] {
			continue
		}
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+text)
		if err != nil {
			continue
		}
		ln.Close()
		return checkout.Choice{Value: "127.0.0.1:" + text, Why: "the first free port from 8000 on, for this machine only; a web server or a gate in front brings the others"}
	}
	return checkout.Choice{Value: "127.0.0.1:8000", Why: "no port from 8000 to 8999 is free: choose one"}
}

// userOfNew says whom the app will run as.
func userOfNew(path string) checkout.Choice {
	fi, err := os.Stat(path)
	if err != nil {
		return checkout.Choice{}
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return checkout.Choice{Why: "the checkout belongs to root, so root's daemon runs the app as the user wsgid, or www-data where there is none; give each app a user of its own"}
	}
	name := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return checkout.Choice{Why: "root's daemon runs the app as " + name + ", the owner of the checkout; a user of its own could not change the code"}
}

// proveNew loads the text as if it stood in the directory: what is written must run.
func proveNew(dir, name string, text []byte) error {
	over := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(afero.NewOsFs()), afero.NewMemMapFs())
	file := filepath.Join(dir, name+".hcl")
	_ = over.MkdirAll(dir, 0o755) // in memory, where there is none
	if err := afero.WriteFile(over, file, text, 0o600); err != nil {
		return fmt.Errorf("cannot write a spec for app %s: %w", name, err)
	}
	set := specdir.HostOptions().LoadFiles(over, file)
	if len(set.Faults) > 0 {
		return fmt.Errorf("cannot write a spec for app %s: what was found is not a good spec:\n%s", name, strings.TrimSpace(set.Faults[0].Text))
	}
	return nil
}
