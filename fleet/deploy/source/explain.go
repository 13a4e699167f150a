package source

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// explain puts in front of what git says what the operator can do about it.
func (s *Store) explain(ctx context.Context, r Repository, err error) error {
	how, u, _ := parse(r.URL)
	hint := ""
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		hint = fmt.Sprintf("the server took longer than %v; a longer time is given by timeout = in the deploy block", s.Limits.withDefaults().Time)
	case said(err, "IDENTIFICATION HAS CHANGED"):
		hint = "the server presents a different host key than the one in known_hosts; if its administrator confirms that it was changed, remove the old line, which is named below, and deploy again for the new one"
	case said(err, "Host key verification failed", "host key is known for"):
		hint = s.unknownHost(ctx, r, u)
	case how == ssh && said(err, "Permission denied ("):
		hint = s.rejectedKey(ctx, r)
	case how == https && said(err, "could not read Username", "could not read Password", "Authentication failed"):
		hint = fmt.Sprintf("the server asks for a password (many do when a repository does not exist): put it into ~/.netrc of %s, or use ssh with ssh_key", s.Account)
	case said(err, "from promisor remote"):
		hint = "it is a partial clone, made with --filter, and lacks files: name the repository that it was cloned from, or run there: git fetch --refetch --no-filter"
	case said(err, "not allowed", "not supported or disabled in libcurl"):
		hint = "the server redirects to another transport"
	case said(err, "ould not resolve host"):
		hint = "there is no such host, or no network"
	case said(err, "certificate verification failed", "SSL certificate problem", "certificate issuer"):
		hint = "the server's certificate is not signed by an authority that this machine trusts: add its authority to those of the machine (update-ca-certificates), or name its file by SSL_CERT_FILE in the environment of the daemon"
	case said(err, "Connection refused", "Couldn't connect to server", "Could not connect", "No route to host", "Network is unreachable"):
		hint = "nothing listens there, or there is no route to it"
	case said(err, "Connection timed out", "timed out", "Operation too slow"):
		hint = "the server does not answer"
	case how == https && said(err, "returned error: 403"):
		hint = "the server does not allow us to read the repository (403)"
	case how == https && said(err, "returned error: 5"):
		hint = "the server failed: its log has the reason"
	case how == https && said(err, "' not found"):
		hint = "there is no repository at that URL, or the server shows it only to users it knows"
	case said(err, "Empty reply from server", "early EOF", "hung up unexpectedly", "unexpected disconnect", "Connection reset by peer", "Connection closed by"):
		hint = "the server closed the connection unexpectedly: deploy again, and check its log if that does not help"
	case said(err, "No space left on device", "Disk quota exceeded"):
		hint = "the disk of " + s.Dir + " is full"
	case said(err, "cannot mkdir", "could not create leading directories", "cannot copy"):
		hint = fmt.Sprintf("%s cannot write to %s, where repositories are kept", s.Account, s.Dir)
	case how == file && isFile(u.Path):
		hint = "it is a file, and git serves folders: of a bundle make one by git clone --bare " + u.Path + ", and name that"
	case how == file && said(err, "does not appear to be a git repository", "Permission denied", "No such file"):
		hint = fmt.Sprintf("there is no repository, or %s may not read it", s.Account)
		if why, instead := s.Account.Barred(u.Path, true, "chmod -R a+rX "+u.Path); why != "" {
			hint = fmt.Sprintf("%s, the user that git runs as, cannot read the repository: %s: %s", s.Account, why, instead)
		}
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%s\n%w", hint, err)
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// whereShallow says of a repository of this machine that it has not all commits.
func whereShallow(r Repository) string {
	how, u, _ := parse(r.URL)
	if how != file {
		return ""
	}
	for _, dir := range []string{u.Path, filepath.Join(u.Path, ".git")} {
		if _, err := os.Stat(filepath.Join(dir, "shallow")); err == nil {
			return " It is a shallow clone, which has the newest commits alone: run git fetch --unshallow there, or name the repository that it was cloned from"
		}
	}
	return ""
}

// unknownHost asks the server for its key, and says what to add to known_hosts
// once somebody has compared the fingerprint.
func (s *Store) unknownHost(ctx context.Context, r Repository, u *url.URL) string {
	where := r.KnownHosts
	if where == "" {
		where = "~/.ssh/known_hosts of " + s.Account.String()
	}
	unknown := "the host key of the server is not in " + where
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	args := []string{"ssh-keyscan", "-T", "10"}
	if p := u.Port(); p != "" {
		args = append(args, "-p", p)
	}
	var out answer
	scan := &child.Command{Account: s.Account, Args: append(args, strings.Trim(u.Hostname(), "[]")), Stdout: &out}
	err := scan.Run(ctx)
	line, fingerprint := bestKey(out.String())
	if line == "" {
		if err == nil {
			err = fmt.Errorf("ssh-keyscan found none")
		}
		return fmt.Sprintf("%s, and asking for it failed: %v", unknown, err)
	}
	return fmt.Sprintf("%s; its fingerprint is %s. Compare that with what the server's administrator says, then add this line:\n  %s", unknown, fingerprint, line)
}

// bestKey chooses among the lines of ssh-keyscan, and makes the fingerprint as
// ssh-keygen shows it.
func bestKey(scanned string) (line, fingerprint string) {
	for _, kind := range []string{"ssh-ed25519", "ecdsa-", "ssh-rsa", ""} {
		for l := range strings.Lines(scanned) {
			f := strings.Fields(child.Printable(l))
			if len(f) != 3 || strings.HasPrefix(f[0], "#") || !strings.HasPrefix(f[1], kind) {
				continue
			}
			blob, err := base64.StdEncoding.DecodeString(f[2])
			if err != nil {
				continue
			}
			sum := sha256.Sum256(blob)
			return strings.Join(f, " "), "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
		}
	}
	return "", ""
}
