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
	fail := func(format string, args ...any) (transport, *url.URL, error) {
		return "", nil, fmt.Errorf("repository %q: %w", shown(s), fmt.Errorf(format, args...))
	}
	switch {
	case s == "":
		return "", nil, errors.New("repository is empty: " + forms)
	case strings.HasPrefix(s, "-"):
		return fail("it begins with -, which programs would read as an option: %s", forms)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fail("it has white space or a control character in it; in a URL a blank is %%20")
	}
	if !strings.Contains(s, "://") {
		if name, _, ok := strings.Cut(s, "::"); ok && !strings.ContainsAny(name, "/@[") {
			return fail("%s:: is a transport that runs a program, which is not allowed: %s", name, forms)
		}
		if strings.HasPrefix(s, "/") {
			return fail("for a folder of this machine write file://%s", path.Clean(s))
		}
		m := scp().FindStringSubmatch(s)
		if maskedURL(s) != s {
			return fail("it contains a password; ssh needs none: name a key in ssh_key")
		}
		if m == nil {
			return fail("it is not a URL: %s", forms)
		}
		if strings.HasPrefix(m[3], "-") {
			return fail("its path begins with -, which programs would read as an option: write ./%s", m[3])
		}
		u := &url.URL{Scheme: "ssh", Host: m[2], Path: m[3]}
		if m[1] != "" {
			u.User = url.User(m[1])
		}
		return ssh, u, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		if parse, ok := errors.AsType[*url.Error](err); ok {
			err = parse.Err // the whole one repeats the URL
		}
		return fail("it is not a URL: %w", errors.New(maskedURL(err.Error())))
	}
	if _, has := u.User.Password(); has {
		return fail("it contains a password, which anyone could read in the spec and the logs: use ssh with a key (ssh_key), or put the password into ~/.netrc of the app's user")
	}
	if u.Fragment != "" || strings.HasSuffix(s, "#") {
		return fail("it contains a #: name the branch in `branch`, a tag or an object id in `commit`")
	}
	if u.RawQuery != "" || u.ForceQuery {
		return fail("it contains a ?, which no repository needs; a token belongs in ~/.netrc of the app's user")
	}
	if strings.Trim(u.Path, "/") == "" {
		return fail("it names no repository on the host: %s", forms)
	}
	switch u.Scheme {
	case "https":
		if u.User != nil {
			return fail("it contains a user, which is often a token: leave it out, and put user and password into ~/.netrc of the app's user")
		}
		if u.Hostname() == "" {
			return fail("it has no host: %s", forms)
		}
		return https, u, nil
	case "ssh":
		switch {
		case u.Hostname() == "":
			return fail("it has no host: %s", forms)
		case !sshHost().MatchString(u.Hostname()):
			return fail("ssh would take its host for something else")
		case u.User != nil && !sshUser().MatchString(u.User.Username()):
			return fail("ssh would take its user for something else")
		}
		return ssh, u, nil
	case "file":
		if u.Host != "" {
			return fail("after file:// comes an absolute path: write file:///%s", u.Host+u.Path)
		}
		return file, u, nil
	case "http", "git", "ftp", "ftps":
		return fail("%s:// can be read and changed in transit: write https://", u.Scheme)
	case "git+ssh", "ssh+git":
		return fail("write ssh:// for %s://", u.Scheme)
	}
	return fail("%s:// is not a transport for a repository: %s", u.Scheme, forms)
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
