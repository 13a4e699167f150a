package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// specifiers fills %n and its like; what is none stays.
func (u *unitFile) specifiers(text string) string {
	filled, _ := u.filled(text) // who has to do with the error asks for it
	return filled
}

// filled fills %n and its like. A percent sign before a letter or digit that is no
// specifier is an error: systemd drops a variable with it, and does not load a unit with
// such a command (252; findings/systemd-drops-a-variable-with-a-percent-sign.sh).
func (u *unitFile) filled(text string) (filled string, err error) {
	if !strings.Contains(text, "%") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+1 < len(text) {
			if v, ok := u.specifier(text[i+1]); ok {
				b.WriteString(v)
				i++
				continue
			}
			if c := text[i+1]; err == nil && strings.IndexByte(unfilled, c) < 0 && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
				err = fmt.Errorf("%%%c means nothing to it; a percent sign is written %%%%", c)
			}
		}
		b.WriteByte(text[i])
	}
	return b.String(), err
}

// unfilled are specifiers whose value only the running system has.
const unfilled = "bcqrR"

// unfilledIn is the first of them in a text; empty: there is none.
func unfilledIn(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if strings.IndexByte(unfilled, text[i+1]) >= 0 {
			return text[i : i+2]
		}
		i++ // %% is no beginning of another one
	}
	return ""
}

// specifier is what a letter behind % means (systemd.unit(5), of the system's manager).
func (u *unitFile) specifier(letter byte) (string, bool) {
	name := filepath.Base(u.path)
	whole := strings.TrimSuffix(name, filepath.Ext(name))
	prefix, instance, _ := strings.Cut(whole, "@")
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	switch letter {
	case '%':
		return "%", true
	case 'n':
		return name, true
	case 'N':
		return whole, true
	case 'p':
		return prefix, true
	case 'P':
		return unitUnescape(prefix), true
	case 'i':
		return instance, true
	case 'I':
		return unitUnescape(instance), true
	case 'j':
		return last, true
	case 'J':
		return unitUnescape(last), true
	case 'f':
		if instance != "" {
			prefix = instance
		}
		return "/" + strings.TrimPrefix(unitUnescape(prefix), "/"), true
	case 'y':
		return u.path, true
	case 'Y':
		return filepath.Dir(u.path), true
	case 'H', 'l':
		host, err := os.Hostname()
		if letter == 'l' {
			host, _, _ = strings.Cut(host, ".")
		}
		return host, err == nil
	}
	if strings.IndexByte("mavowWBAM", letter) >= 0 {
		return ofSystem(letter)
	}
	v, ok := map[byte]string{'t': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
		'u': "root", 'U': "0", 'g': "root", 'G': "0", 'h': "/root", 's': "/bin/sh", 'd': "/run/credentials/" + name}[letter]
	if letter == 's' {
		v = rootShell()
	}
	return v, ok
}

// ofSystem is what a letter behind % says of the machine and what runs on it.
func ofSystem(letter byte) (string, bool) {
	switch letter {
	case 'm':
		id, err := os.ReadFile("/etc/machine-id")
		return strings.TrimSpace(string(id)), err == nil
	case 'a':
		return strings.ReplaceAll(runtime.GOARCH, "amd64", "x86-64"), true
	case 'v':
		release, err := os.ReadFile("/proc/sys/kernel/osrelease")
		return strings.TrimSpace(string(release)), err == nil
	}
	name := map[byte]string{'o': "ID", 'w': "VERSION_ID", 'W': "VARIANT_ID", 'B': "BUILD_ID", 'A': "IMAGE_VERSION", 'M': "IMAGE_ID"}[letter]
	text, err := os.ReadFile("/etc/os-release")
	for _, v := range hclspec.ReadEnvFile(string(text)) {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", err == nil
}
