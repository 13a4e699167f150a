package source

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// rejectedKey says why a server may reject ssh_key. Of most reasons that lie in the file
// ssh says nothing, or a word of the library below it ("error in libcrypto").
func (s *Store) rejectedKey(ctx context.Context, r Repository) string {
	if r.SSHKey == "" {
		return fmt.Sprintf("the server rejects every key that %s has in ~/.ssh: name one in ssh_key", s.Account)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	public, err := s.printed(ctx, "ssh-keygen", "-y", "-P", "", "-f", r.SSHKey)
	beside, noBeside := s.printed(ctx, "cat", "--", r.SSHKey+".pub")
	return whyRejected(r.SSHKey, public, err, beside, noBeside == nil)
}

// whyRejected decides by what ssh-keygen makes of a key, and by the file of a public key
// beside it. ssh offers what is in that one (9.2; findings/ssh-offers-the-public-file-beside-a-key.sh).
func whyRejected(name, public string, err error, beside string, isBeside bool) string {
	switch {
	case said(err, "bad permissions"):
		return "ssh does not use ssh_key, since others than its owner may read it: chmod 600 " + name
	case said(err, "incorrect passphrase"):
		return "ssh_key has a passphrase, and nobody is there to type it: ssh-keygen -p -f " + name + " takes it off, or name a key without one"
	case said(err, "error in libcrypto", "invalid format"):
		return "ssh cannot read ssh_key, as where the end of its last line was lost or Windows' ends of lines came in when it was copied: copy it anew, until ssh-keygen -y -f " + name + " prints its public half"
	}
	half := keyOf(public)
	if isBeside && half != nil && !slices.Equal(keyOf(beside), half) {
		return "ssh offers the server what is in " + name + ".pub, and that is the public half of another key: ssh-keygen -y -f " + name + " prints the right one"
	}
	const add = "the server rejects our key: add the public half of ssh_key to it"
	if half == nil {
		return add
	}
	return add + ": " + strings.Join(half, " ")
}

// keyOf is the type and the key in a line of a public key, without its comment.
func keyOf(line string) []string {
	f := strings.Fields(child.Printable(line))
	if len(f) < 2 {
		return nil
	}
	return f[:2]
}

// printed is what a program prints that looks at a file as the account.
func (s *Store) printed(ctx context.Context, args ...string) (string, error) {
	var out answer
	err := (&child.Command{Account: s.Account, Args: args, Stdout: &out}).Run(ctx)
	return out.String(), err
}
