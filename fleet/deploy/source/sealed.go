package source

import "bytes"

// sealedMark begins each file that git-crypt has encrypted. Where that is not set up, git gives out
// such a file in place of what is meant, and says nothing
// (2.39.5; findings/git-checks-out-what-it-cannot-decrypt.sh).
var sealedMark = []byte("\x00GITCRYPT\x00")

// seal notes a file that begins so.
func (u *unpacker) seal(e entry, text []byte) {
	if bytes.HasPrefix(text, sealedMark) {
		u.sealed = append(u.sealed, e.path)
	}
}

// beginning keeps as much of what is written to it as sealedMark has.
type beginning []byte

func (b *beginning) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), len(sealedMark)-len(*b))]...)
	return len(p), nil
}
