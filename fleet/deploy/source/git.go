package source

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// settings are what every git is told, over anything that a configuration says.
// The objects are not checked by fsck: git's fsck refuses old repositories for
// harmless faults, and what is dangerous in a tree is judged when it is unpacked.
var settings = []string{
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=/bin/false",
	"credential.helper=", "gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false",
	"fetch.writeCommitGraph=false", "fetch.recurseSubmodules=false",
	// Always one pack: git brings that to the disk before a ref names it.
	"fetch.unpackLimit=1", "transfer.bundleURI=false", "submodule.recurse=false",
	"http.lowSpeedLimit=500", "http.lowSpeedTime=60", "protocol.version=2",
}

// readers are git's commands that only look at what is here, or write a line.
var readers = []string{"cat-file", "config", "log", "ls-tree", "rev-parse", "update-ref"}

// git is one run of git in a bare repository.
func (s *Store) git(r Repository, dir string, args ...string) *child.Command {
	argv := []string{"git", "--git-dir=" + dir, "--no-replace-objects"}
	for _, c := range settings {
		argv = append(argv, "-c", c)
	}
	how, _, _ := parse(r.URL)
	return &child.Command{Account: s.Account, Args: append(argv, args...), Env: s.environ(r, dir), Quick: slices.Contains(readers, args[0]),
		// What a fetch from this machine starts ends with it: their pipes close.
		Single: how == file && args[0] == "fetch"}
}

// environ lets git use the transport of the URL alone, and ask nobody.
func (s *Store) environ(r Repository, dir string) []string {
	how, _, _ := parse(r.URL)
	env, global := []string(nil), "/dev/null"
	if how == file {
		global = filepath.Join(dir, trustFile)
		env = append(env, "HOME="+dir) // for git-lfs, which takes GIT_CONFIG_GLOBAL away from the git that it runs
	}
	if ca := os.Getenv("SSL_CERT_FILE"); ca != "" {
		env = append(env, "GIT_SSL_CAINFO="+ca) // libcurl itself does not look at it
	}
	return append(env,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+global, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=never",
		"GIT_ALLOW_PROTOCOL="+string(how), "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		"GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND="+sshCommand(r))
}

// trustFile is in the bare repository of a file:// URL. Git serves a repository
// that is another user's only if a configuration file says so; the operator has,
// by naming it.
const trustFile = ".gitconfig"

// sshCommand is a line for the shell: git has no other way to give ssh options.
func sshCommand(r Repository) string {
	o := []string{"ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no", "-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes",
		"-o", "PermitLocalCommand=no", "-o", "ConnectTimeout=20",
		"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"}
	if r.SSHKey != "" {
		o = append(o, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", strings.ReplaceAll(r.SSHKey, "%", "%%"))
	}
	if r.KnownHosts != "" {
		// ssh takes several files here, set apart by blanks.
		o = append(o, "-o", `UserKnownHostsFile="`+strings.ReplaceAll(r.KnownHosts, "%", "%%")+`"`, "-o", "GlobalKnownHostsFile=/dev/null")
	}
	for i, a := range o {
		o[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(o, " ")
}

// output is what a git prints; for answers that are short.
func (s *Store) output(ctx context.Context, r Repository, dir string, args ...string) (string, error) {
	var out answer
	c := s.git(r, dir, args...)
	c.Stdout = &out
	if err := c.Run(ctx); err != nil {
		return "", err
	}
	return out.String(), nil
}

// answer is a buffer that somebody else's server does not fill for ever.
type answer struct{ bytes.Buffer }

func (a *answer) Write(p []byte) (int, error) {
	if a.Len()+len(p) > 64<<20 {
		return 0, errors.New("the answer is longer than 64 MiB")
	}
	return a.Buffer.Write(p)
}

// said tells whether a program failed with one of some phrases. Its messages are
// those of the C locale.
func said(err error, phrases ...string) bool {
	var e *child.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, p := range phrases {
		if strings.Contains(e.Output, p) {
			return true
		}
	}
	return false
}
