package appspec

import (
	"cmp"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The checks of single strings. Each returns what to write instead, and whether
// the string is good.

// checkText takes every string that the system can take.
func checkText(s string) (string, bool) {
	if strings.ContainsRune(s, 0) {
		return "it holds a NUL byte", false
	}
	return "", true
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

func checkAbsolute(s string) (string, bool) {
	switch {
	case hasControl(s):
		return "a path has no control characters", false
	case strings.HasPrefix(s, "~"):
		return "write the path out, from / on: ~ is the shell's", false
	case !filepath.IsAbs(s):
		return "write an absolute path, one that starts with /", false
	}
	return "", true
}

// systemFolders are never an app's: the daemon gives an app folder to the app's
// user.
var systemFolders = map[string]bool{
	"/": true, "/bin": true, "/boot": true, "/dev": true, "/etc": true, "/home": true, "/lib": true, "/lib64": true,
	"/media": true, "/mnt": true, "/opt": true, "/proc": true, "/root": true, "/run": true, "/sbin": true, "/srv": true,
	"/sys": true, "/tmp": true, "/usr": true, "/usr/bin": true, "/usr/lib": true, "/usr/local": true, "/usr/sbin": true,
	"/var": true, "/var/lib": true, "/var/log": true, "/var/run": true, "/var/tmp": true,
}

func checkFolder(s string) (string, bool) {
	if instead, ok := checkAbsolute(s); !ok {
		return instead, false
	}
	if clean := filepath.Clean(s); systemFolders[clean] {
		return "the app's user becomes the owner of the app folder, and " + clean + " belongs to the system: write a folder for this app only", false
	}
	return "", true
}

// builtinLoaders are the loaders by their names.
var builtinLoaders = []string{"auto", "wsgi", "django", "pyroutes"}

func checkLoader(s string) (string, bool) {
	if slices.Contains(builtinLoaders, s) {
		return "", true
	}
	// Class names have capitals; what is all small letters or differs from a
	// loader of ours by its capitals only was meant to be one of them.
	if near := Nearest(s, builtinLoaders); near != "" && (s == strings.ToLower(s) || strings.EqualFold(s, near)) {
		return "did you mean " + Quote(near) + "?", false
	}
	if !isIdentifier(s) {
		return `write "auto", "wsgi", "django", "pyroutes" or the class name of a plugin loader`, false
	}
	return "", true
}

// isIdentifier tells whether s is a name in Python.
func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func isDotted(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !isIdentifier(part) {
			return false
		}
	}
	return true
}

func checkApplication(s string) (string, bool) {
	const form = `write "module:attr", "module.attr" or "module:factory()"`
	module, attr, colon := strings.Cut(s, ":")
	switch {
	case strings.Contains(s, "/"), strings.Contains(s, ".py:"), strings.HasSuffix(s, ".py"):
		guess := strings.TrimSuffix(strings.ReplaceAll(strings.Trim(strings.TrimPrefix(module, "./"), "/"), "/", "."), ".py")
		if attr == "" {
			attr = "application"
		}
		if isDotted(guess) {
			return "this is a file; write its module: " + Quote(guess+":"+attr), false
		}
		return cmp.Or(withDash(guess+":"+attr), form), false
	case colon:
		if isDotted(module) && isDotted(strings.TrimSuffix(attr, "()")) {
			return "", true
		}
	case isDotted(s):
		if strings.Contains(s, ".") {
			return "", true
		}
		return "name the object of the module: " + Quote(s+":application"), false
	case strings.HasSuffix(s, "()") && isDotted(strings.TrimSuffix(s, "()")) && strings.Contains(s, "."):
		i := strings.LastIndexByte(s, '.')
		return "a factory follows a colon: " + Quote(s[:i]+":"+s[i+1:]), false
	}
	return cmp.Or(withDash(s), form), false
}

// withDash says what to do about a module whose name has a dash; empty: it has none, or is
// wrong beside.
func withDash(s string) string {
	module, attr, _ := strings.Cut(s, ":")
	named := strings.ReplaceAll(module, "-", "_")
	if named == module || !isDotted(named) || attr != "" && !isDotted(strings.TrimSuffix(attr, "()")) {
		return ""
	}
	if attr != "" {
		named += ":" + attr
	}
	return "Python imports no module with a dash in its name: rename it, and write " + Quote(named) + ", or write the absolute path of its file"
}

// checkWSGIApp takes an absolute file as well, of any name, with or without an
// attribute.
func checkWSGIApp(s string) (string, bool) {
	if !strings.HasPrefix(s, "/") {
		return checkApplication(s)
	}
	switch {
	case hasControl(s):
		return "a path has no control characters", false
	case strings.HasSuffix(s, "/"):
		return "this is a folder; write the file in it that has the application", false
	case path.Clean(s) != s:
		return "write: " + Quote(path.Clean(s)), false
	}
	return "", true
}

// CheckModule tells whether a text names a module, and else what to write.
func CheckModule(s string) (string, bool) {
	if isDotted(s) {
		return "", true
	}
	guess := strings.TrimSuffix(strings.ReplaceAll(strings.Trim(s, "/"), "/", "."), ".py")
	if isDotted(guess) {
		return "this is a file; write its module: " + Quote(guess), false
	}
	return `write a dotted module name, such as "blog.settings"`, false
}

func checkUser(s string) (string, bool) {
	if s == "" || len(s) > 64 || strings.ContainsAny(s, ":/ ,") || hasControl(s) || s[0] == '-' {
		if user, group, ok := strings.Cut(s, ":"); ok && user != "" && group != "" {
			return "user and group are two attributes: user = " + Quote(user) + " and group = " + Quote(group), false
		}
		return "write a name as in /etc/passwd or /etc/group", false
	}
	return "", true
}

func checkURLPath(s string) (string, bool) {
	switch {
	case strings.Contains(s, "://"):
		return "write the path alone, from the / after the host", false
	case !strings.HasPrefix(s, "/"):
		return "write a path that starts with /: " + Quote("/"+s), false
	case hasControl(s) || strings.ContainsAny(s, " #"):
		return "write it as it stands in a URL, with spaces as %20", false
	}
	return "", true
}

// checkMount takes what is the same encoded and decoded.
func checkMount(s string) (string, bool) {
	switch instead, ok := checkURLPath(s); {
	case !ok:
		return instead, false
	case s == "/":
		return "an app at the root has no prefix: leave it out", false
	case strings.HasSuffix(s, "/"):
		return "write it without a slash at its end: " + Quote(strings.TrimRight(s, "/")), false
	case path.Clean(s) != s:
		return "write it as a browser sends it: " + Quote(path.Clean(s)), false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("/-._~!$&'()*+,;=:@", c) {
			return "a prefix has letters, digits and -._~ only", false
		}
	}
	return "", true
}

func checkStaticURL(s string) (string, bool) {
	switch instead, ok := checkURLPath(s); {
	case !ok:
		return instead, false
	case strings.ContainsAny(s, "%?"):
		return "write it decoded, as the app sees PATH_INFO, without a query", false
	case strings.Contains(s, "//"), strings.Contains(s+"/", "/./"), strings.Contains(s+"/", "/../"):
		return "write it as a browser sends it: " + Quote(strings.TrimSuffix(path.Clean(s), "/")+"/"), false
	case strings.HasSuffix(s, "/*"):
		return "whatever is below it is meant: write " + Quote(strings.TrimRight(s, "*")), false
	case !strings.HasSuffix(s, "/"):
		return "the files are below it: write " + Quote(s+"/"), false
	}
	return "", true
}

func checkStaticDir(s string) (string, bool) {
	clean := path.Clean(s)
	switch {
	case s == "":
		return "write the folder, such as " + Quote("app/static"), false
	case hasControl(s):
		return "a path has no control characters", false
	case strings.HasPrefix(s, "~"):
		return "write the path out, from / on: ~ is the shell's", false
	case clean == "/":
		return "the whole file system would be served: write the folder of the files", false
	case clean == "." || clean == "app":
		return "it holds code and settings: write the folder of the files alone, such as " + Quote("app/static"), false
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "it points outside the app folder: write an absolute path for a folder elsewhere", false
	}
	return "", true
}

// checkCode takes the folder with the code of an app.
func checkCode(s string) (string, bool) {
	if instead, ok := relative(s, "the app folder"); !ok {
		return instead, false
	}
	switch top, _, _ := strings.Cut(path.Clean(s), "/"); {
	case s == "":
		return "write the folder, such as " + Quote("."), false
	case top == "logs" || top == "pid":
		return "the fleet writes there: write the folder of the code, such as " + Quote("."), false
	}
	return "", true
}

// checkHost takes what a Host header may hold (RFC 9110, section 7.2).
func checkHost(s string) (string, bool) {
	_, rest, isURL := strings.Cut(s, "://")
	rest, _, _ = strings.Cut(rest, "/")
	switch {
	case isURL && rest != "":
		return "write the host alone: " + Quote(rest), false
	case strings.ContainsAny(s, "*"):
		return "write one name: a client cannot request a pattern", false
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			if _, err := netip.ParseAddr(s); err == nil {
				return "an IPv6 address is written in brackets: " + Quote("["+s+"]"), false
			}
			return "the port must be from 1 to 65535", false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !a.Is6() || !strings.HasSuffix(inner, "]") {
			return `write an IPv6 address as "[::1]"`, false
		}
		return "", true
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._", c) {
			return "write it as a browser sends it: letters, digits, dots and hyphens", false
		}
	}
	if host == "" {
		return "write a name", false
	}
	return "", true
}

// checkProxy takes a network, or "unix" for the clients of unix sockets.
func checkProxy(s string) (string, bool) {
	if s == "unix" {
		return "", true
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		return `write "unix" for clients of a unix socket of the app; mode, owner and group of the socket decide who may connect`, false
	}
	instead, ok := checkCIDR(s)
	if !ok && strings.HasPrefix(instead, "write networks") {
		instead += `, and "unix" for unix sockets`
	}
	return instead, ok
}

func checkCIDR(s string) (string, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if m := p.Masked(); m != p {
			return "the bits after the /" + strconv.Itoa(p.Bits()) + " must be 0: write " + Quote(m.String()) + ", or one address as " + Quote(p.Addr().String()+"/"+strconv.Itoa(p.Addr().BitLen())), false
		}
		return "", true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return "write one address as " + Quote(a.String()+"/"+strconv.Itoa(a.BitLen())), false
	}
	return `write networks as CIDRs, such as "10.0.0.0/8" or "::1/128"`, false
}

// forwardedHeaders are those that a proxy may tell of its client by.
var forwardedHeaders = []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "forwarded"}

func checkTrustedHeader(s string) (string, bool) {
	if slices.Contains(forwardedHeaders, s) {
		return "", true
	}
	if near := Nearest(strings.ToLower(s), forwardedHeaders); near != "" {
		return "write " + Quote(near), false
	}
	return "it is one of " + strings.Join(forwardedHeaders, ", "), false
}
