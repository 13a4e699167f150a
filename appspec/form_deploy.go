package appspec

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// The checks of what a deploy block and a database block name.

const repositoryForm = `write "git@HOST:PATH", "ssh://…", "https://…" or "file:///…"`

// checkRepository takes the addresses that git fetches from by ssh, https and file:
// the other transports run a command of the address, or nobody vouches for what
// they bring.
func checkRepository(s string) (string, bool) {
	const form = repositoryForm
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case s == "":
		return "", true
	case strings.HasPrefix(s, "-"):
		return "git reads an address that begins with - as an option: " + form, false
	case hasControl(s) || strings.ContainsFunc(s, unicode.IsSpace):
		return "an address has no blanks and no control characters: " + form, false
	case isURL && strings.HasPrefix(scheme, "git+"):
		return "write: " + Quote(strings.TrimPrefix(s, "git+")), false
	case isURL:
		return checkRepositoryURL(s, scheme, rest)
	case strings.Contains(s, "::") && !strings.ContainsAny(s[:strings.Index(s, "::")], "/@["): // not of an IPv6 address
		return "of the transport " + Quote(s[:strings.Index(s, "::")]+"::") + " git would run a program: " + form, false
	case strings.HasPrefix(s, "/"):
		return "write: " + Quote("file://"+s), false
	case strings.HasPrefix(s, "~"), strings.HasPrefix(s, "."):
		return `write the path out, from / on: "file:///PATH"`, false
	}
	host, file, isSCP := strings.Cut(s, ":")
	if inner, ok := strings.CutPrefix(s[strings.LastIndexByte(s, '@')+1:], "["); ok { // an IPv6 address
		var address string
		if address, file, isSCP = strings.Cut(inner, "]:"); !isSCP {
			return form, false
		}
		host = address
	}
	if !isSCP || strings.Contains(host, "/") {
		if first, more, ok := strings.Cut(s, "/"); ok && more != "" && strings.Contains(first, ".") {
			return "write: " + Quote("https://"+s), false
		}
		return form, false
	}
	name := host[strings.LastIndexByte(host, '@')+1:]
	password, rest, hasPassword := strings.Cut(file, "@")
	switch {
	// user:password@host:path, or …@host/path; of git@host:path the @ came before.
	case hasPassword && password != "" && !strings.Contains(host, "@") && (!strings.Contains(password, "/") || strings.Contains(rest, ":")):
		return "ssh takes no password in an address: " + form + ", and ssh_key", false
	case name == "" || file == "":
		return form, false
	case strings.HasPrefix(name, "-"), strings.HasPrefix(file, "-"):
		return "ssh reads a name that begins with - as an option: " + form, false
	}
	return "", true
}

func checkRepositoryURL(s, scheme, rest string) (string, bool) {
	const form = repositoryForm
	u, err := url.Parse(s)
	if err != nil {
		if from, to := PasswordIn(rest); from < to {
			return "a password in an address can be seen by anyone: " + form + ", without it", false
		}
		return form, false
	}
	if HasPassword(s) {
		u.User = url.User(u.User.Username())
		if scheme != "ssh" {
			u.User = nil
		}
		return "a password in an address can be seen by anyone: write " + Quote(u.String()) + ", and for a repository that asks who you are one by ssh, with ssh_key", false
	}
	switch strings.ToLower(scheme) {
	case "https", "ssh":
	case "http", "git":
		return scheme + " can be read and changed in transit: write " + Quote("https://"+rest), false
	case "file":
		if u.Host != "" {
			return "a path begins with a third /: write " + Quote("file:///"+strings.TrimLeft(rest, "/")), false
		}
		if strings.Trim(u.Path, "/") == "" {
			return `write the path of the repository: "file:///srv/git/blog.git"`, false
		}
		return "", true
	default:
		return "git is not allowed to use " + scheme + ": " + form, false
	}
	switch {
	case u.Hostname() == "" || strings.Trim(u.Path, "/") == "":
		return form, false
	case strings.HasPrefix(u.Hostname(), "-"), strings.HasPrefix(u.User.Username(), "-"), strings.HasPrefix(u.Path, "/-"):
		return "ssh reads a name that begins with - as an option: " + form, false
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		u.Fragment = ""
		return "a branch goes in branch, a tag or an object id in commit: write " + Quote(u.String()), false
	case u.RawQuery != "" || u.ForceQuery:
		u.RawQuery, u.ForceQuery = "", false
		return "no repository needs a part after ?, and a token there can be seen by anyone: write " + Quote(u.String()), false
	case u.User != nil && strings.EqualFold(scheme, "https"):
		u.User = nil
		return "a user name is often a token, which can be seen by anyone: write " + Quote(u.String()) + ", and put user and password into ~/.netrc of the app's user", false
	}
	return "", true
}

// PasswordIn finds the password in an address behind its ://, in doubt more than it:
// one that holds a / is no password to git, but may have been meant as one.
func PasswordIn(rest string) (from, to int) {
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return 0, 0
	}
	colon := strings.IndexByte(rest[:at], ':')
	if colon < 0 {
		return 0, 0
	}
	return colon + 1, at
}

// HasPassword tells whether an address holds a password.
func HasPassword(s string) bool {
	_, rest, ok := strings.Cut(s, "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	return ok && at >= 0 && strings.Contains(authority[:at], ":")
}

// checkIndex takes the address of a package index.
func checkIndex(s string) (string, bool) {
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case s == "":
		return "", true
	case hasControl(s) || strings.ContainsFunc(s, unicode.IsSpace):
		return "an address has no blanks and no control characters", false
	case strings.HasPrefix(s, "/"):
		return "for a folder with wheels write: wheels = " + Quote(s), false
	case !isURL && strings.Contains(s, ".") && !strings.HasPrefix(s, "-"):
		return "write: " + Quote("https://"+s), false
	case scheme == "http" && localHost(rest):
		return "", true
	case scheme == "http":
		return "http can be read and changed in transit: write " + Quote("https://"+rest), false
	case scheme != "https":
		return `write the address of an index: "https://…"`, false
	}
	if u, err := url.Parse(s); err != nil || u.Hostname() == "" {
		return `write the address of an index: "https://…"`, false
	}
	return "", true
}

// localHost tells whether the rest of an address names this host.
func localHost(rest string) bool {
	u, err := url.Parse("http://" + rest)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

// badRef tells whether git has no branch or tag of this name (git-check-ref-format).
func badRef(s string) bool {
	return strings.HasPrefix(s, "-") || s == "@" || strings.ContainsAny(s, " ~^:?*[\\") || hasControl(s) ||
		strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.Contains(s, "//") ||
		strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".") ||
		strings.HasPrefix(s, ".") || strings.Contains(s, "/.") || strings.Contains(s+"/", ".lock/")
}

func checkBranch(s string) (string, bool) {
	for _, prefix := range []string{"refs/heads/", "refs/remotes/origin/"} {
		if name, ok := strings.CutPrefix(s, prefix); ok && name != "" && !badRef(name) {
			return "write the branch alone: " + Quote(name), false
		}
	}
	switch {
	case s == "HEAD":
		return "leave it out: the branch is the one that HEAD of the repository names", false
	case badRef(s):
		return "git has no branch of such a name", false
	}
	return "", true
}

func checkCommit(s string) (string, bool) {
	const form = `write "HEAD" for the newest of the branch, a tag, or an object id`
	if name, ok := strings.CutPrefix(s, "refs/tags/"); ok && name != "" && !badRef(name) {
		return "write the tag alone: " + Quote(name), false
	}
	if name, ok := strings.CutPrefix(s, "refs/heads/"); ok && name != "" && !badRef(name) {
		return "write: branch = " + Quote(name) + `, and commit = "HEAD"`, false
	}
	switch {
	case s == "HEAD":
		return "", true
	case strings.EqualFold(s, "HEAD"):
		return `write: "HEAD"`, false
	case s == "" || badRef(s):
		return form, false
	}
	return "", true
}

// checkTreePath takes a path in the tree that a deploy brings.
func checkTreePath(s string) (string, bool) { return relative(s, "the tree of the repository") }

// checkRequirements takes a path in what is left of the tree by directory.
func checkRequirements(s string) (string, bool) {
	if strings.HasPrefix(path.Clean(s), "../") {
		return "it leaves the tree that is deployed: write a path in it; of a file beside directory: write code into the app in the place of directory, and the path from the top of the repository here", false
	}
	return checkTreePath(s)
}

// checkSharedPath takes a path below shared/ of the app folder.
func checkSharedPath(s string) (string, bool) {
	if clean := path.Clean(s); s == "" || clean == "." {
		return "write the path of a folder or file in the release", false
	}
	return relative(s, "the release")
}

// relative takes a path that stays below a folder.
func relative(s, folder string) (string, bool) {
	const git = "a file or folder named .git is not part of a release"
	switch clean := path.Clean(s); {
	case hasControl(s):
		return "a path has no control characters", false
	case strings.HasPrefix(s, "-"):
		return "programs read a name that begins with - as an option: write " + Quote("./"+s), false
	case strings.HasPrefix(s, "/"), strings.HasPrefix(s, "~"):
		guess := strings.Trim(path.Clean(strings.TrimPrefix(s, "~")), "/.")
		if guess == "" {
			return "write a path in " + folder, false
		}
		return "write a path in " + folder + ", which does not start with " + s[:1] + ": " + Quote(guess), false
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "it leaves " + folder + ": write a path in it", false
	case strings.HasPrefix(strings.ToLower(clean)+"/", ".git/"), strings.Contains(strings.ToLower(clean)+"/", "/.git/"):
		return git, false
	}
	return "", true
}

// checkRole takes the name of a role or a database of PostgreSQL.
func checkRole(s string) (string, bool) {
	switch {
	case hasControl(s):
		return "a name has no control characters", false
	case len(s) > 63:
		return "PostgreSQL truncates names after 63 bytes: write a shorter one", false
	case strings.HasPrefix(s, "pg_"):
		return "PostgreSQL reserves names that start with pg_", false
	}
	return "", true
}

// socketPrefix begins the name of a socket of PostgreSQL, which ends in the port.
const socketPrefix = ".s.PGSQL."

// DatabaseServer takes the server of a database block apart, which was checked. host
// is the folder of a socket where it begins with a slash.
func DatabaseServer(s string) (host, port string) {
	if at, ok := strings.CutPrefix(s, "unix:"); ok {
		at = path.Clean(at)
		if port, ok := strings.CutPrefix(path.Base(at), socketPrefix); ok {
			return path.Dir(at), port
		}
		return at, "5432"
	}
	host, port, _ = net.SplitHostPort(s)
	return host, port
}

func checkDatabaseServer(s string) (string, bool) {
	const form = `write "unix:/var/run/postgresql" or "host:port"`
	if dir, ok := strings.CutPrefix(s, "unix:"); ok {
		switch {
		case !strings.HasPrefix(dir, "/") || hasControl(s):
			return `write the folder of its socket, from / on: "unix:/var/run/postgresql"`, false
		case strings.HasPrefix(path.Base(dir), socketPrefix):
			if n, err := strconv.ParseUint(strings.TrimPrefix(path.Base(dir), socketPrefix), 10, 16); err != nil || n == 0 {
				return "a socket of PostgreSQL ends in its port: " + Quote("unix:"+path.Join(path.Dir(dir), socketPrefix+"5432")), false
			}
		}
		return "", true
	}
	switch {
	case strings.HasPrefix(s, "/"):
		return "write: " + Quote("unix:"+s), false
	case strings.Contains(s, "://"):
		if u, err := url.Parse(s); err == nil && u.Hostname() != "" {
			port := u.Port()
			if port == "" {
				port = "5432"
			}
			return "write host and port alone: " + Quote(joinPort(u.Hostname(), port)), false
		}
		return form, false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "write: " + Quote(joinPort(s, "5432")), false
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		if instead, ok := checkHost(s); !ok {
			return instead, false
		}
		return "write the port as well: " + Quote(s+":5432"), false
	}
	if instead, ok := checkHost(s); !ok {
		return instead, false
	}
	if s[:i] == "" {
		return form, false
	}
	return "", true
}

func joinPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		port = "5432"
	}
	return host + ":" + port
}

func checkAdmin(s string) (string, bool) {
	user, _, ok := strings.Cut(s, ":")
	switch {
	case strings.ContainsAny(s, "\r\n"):
		return "it ends with a newline: write trimspace(file(\"…\"))", false
	case hasControl(s):
		return "it has control characters", false
	case !ok || user == "":
		return "write user and password with a colon between them", false
	}
	return "", true
}
