package source

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// transport is how git reaches a URL, by the name that GIT_ALLOW_PROTOCOL knows.
type transport string

const (
	https transport = "https"
	ssh   transport = "ssh"
	file  transport = "file"
)

// scp is ssh's short form, user@host:path. Git takes what has a slash before the
// colon for a path.
var scp = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:([A-Za-z0-9_.][A-Za-z0-9_.+-]*)@)?([A-Za-z0-9_.][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]):([^:].*)$`)
})

var (
	sshUser = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.+-]*$`) })
	sshHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.:][A-Za-z0-9_.:-]*$`) })
)

const forms = "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or file:///PATH"

// Check tells what is wrong with the URL of a repository, and what to write
// instead.
func Check(repository string) error {
	_, _, err := parse(repository)
	return err
}

// parse checks a URL and takes it apart. Of ssh's short form it makes the long
// one, but for the path.
func parse(s string) (transport, *url.URL, error) {
	if s == "" {
		return "", nil, errors.New("repository is empty: " + forms)
	}
	u, err := parseAny(s)
	if err != nil {
		return "", nil, fmt.Errorf("repository %q: %w", shown(s), err)
	}
	return transport(u.Scheme), u, nil
}

func parseAny(s string) (*url.URL, error) {
	switch {
	case strings.HasPrefix(s, "-"):
		return nil, fmt.Errorf("it begins with -, which programs would read as an option: %s", forms)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return nil, errors.New("it has white space or a control character in it; in a URL a blank is %20")
	case !strings.Contains(s, "://"):
		return parseShort(s)
	}
	u, err := url.Parse(s)
	if err != nil {
		if parse, ok := errors.AsType[*url.Error](err); ok {
			err = parse.Err // the whole one repeats the URL
		}
		return nil, fmt.Errorf("it is not a URL: %w", errors.New(maskedURL(err.Error())))
	}
	switch _, secret := u.User.Password(); {
	case secret:
		return nil, errors.New("it contains a password, which anyone could read in the spec and the logs: use ssh with a key (ssh_key), or put the password into ~/.netrc of the app's user")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, errors.New("it contains a #: name the branch in `branch`, a tag or an object id in `commit`")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("it contains a ?, which no repository needs; a token belongs in ~/.netrc of the app's user")
	case strings.Trim(u.Path, "/") == "":
		return nil, fmt.Errorf("it names no repository on the host: %s", forms)
	}
	return u, checkTransport(u)
}

// parseShort reads ssh's short form.
func parseShort(s string) (*url.URL, error) {
	if name, _, ok := strings.Cut(s, "::"); ok && !strings.ContainsAny(name, "/@[") {
		return nil, fmt.Errorf("%s:: is a transport that runs a program, which is not allowed: %s", name, forms)
	}
	m := scp().FindStringSubmatch(s)
	switch {
	case strings.HasPrefix(s, "/"):
		return nil, fmt.Errorf("for a folder of this machine write file://%s", path.Clean(s))
	case maskedURL(s) != s:
		return nil, errors.New("it contains a password; ssh needs none: name a key in ssh_key")
	case m == nil:
		return nil, fmt.Errorf("it is not a URL: %s", forms)
	case strings.HasPrefix(m[3], "-"):
		return nil, fmt.Errorf("its path begins with -, which programs would read as an option: write ./%s", m[3])
	}
	u := &url.URL{Scheme: string(ssh), Host: m[2], Path: m[3]}
	if m[1] != "" {
		u.User = url.User(m[1])
	}
	return u, nil
}

// checkTransport tells what a transport does not take of a URL, or what to write for one
// that is not taken.
func checkTransport(u *url.URL) error {
	switch t := transport(u.Scheme); {
	case t == file && u.Host != "":
		return fmt.Errorf("after file:// comes an absolute path: write file:///%s", u.Host+u.Path)
	case t == https && u.User != nil:
		return errors.New("it contains a user, which is often a token: leave it out, and put user and password into ~/.netrc of the app's user")
	case (t == https || t == ssh) && u.Hostname() == "":
		return fmt.Errorf("it has no host: %s", forms)
	case t == ssh && !sshHost().MatchString(u.Hostname()):
		return errors.New("ssh would take its host for something else")
	case t == ssh && u.User != nil && !sshUser().MatchString(u.User.Username()):
		return errors.New("ssh would take its user for something else")
	}
	switch u.Scheme {
	case string(https), string(ssh), string(file):
		return nil
	case "http", "git", "ftp", "ftps":
		return fmt.Errorf("%s:// can be read and changed in transit: write https://", u.Scheme)
	case "git+ssh", "ssh+git":
		return fmt.Errorf("write ssh:// for %s://", u.Scheme)
	}
	return fmt.Errorf("%s:// is not a transport for a repository: %s", u.Scheme, forms)
}

var userinfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([a-z+]+://)?[^/@]*:[^/@]*@`) })

// maskedURL hides the password in front of a URL.
func maskedURL(s string) string { return userinfo().ReplaceAllString(s, "${1}***@") }

// shown is a URL as messages show it.
func shown(s string) string {
	if m := maskedURL(s); m != s {
		return m
	}
	if rest, ok := strings.CutPrefix(s, "https://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if _, after, has := strings.Cut(host, "@"); has {
			return "https://***@" + after + rest[len(host):]
		}
	}
	if before, _, ok := strings.Cut(s, "?"); ok {
		return before + "?***"
	}
	return s
}

// relative is the URL of a submodule that is given relative to its parent's.
func relative(parent, sub string) (string, error) {
	if !strings.HasPrefix(sub, "./") && !strings.HasPrefix(sub, "../") {
		return sub, nil
	}
	head, at := "", strings.TrimSuffix(parent, "/")
	if i := strings.Index(at, "://"); i >= 0 {
		host := strings.Index(at[i+3:], "/")
		head, at = at[:i+3+host], at[i+3+host:]
	} else if i := strings.Index(at, ":"); i >= 0 {
		head, at = at[:i+1], at[i+1:]
	}
	rooted := strings.HasPrefix(at, "/")
	joined := path.Join(strings.TrimPrefix(at, "/"), sub)
	if joined == "." || joined == ".." || strings.HasPrefix(joined, "../") {
		return "", fmt.Errorf("the URL %q points above that of its parent, %s", sub, shown(parent))
	}
	if rooted {
		joined = "/" + joined
	}
	return head + joined, nil
}
