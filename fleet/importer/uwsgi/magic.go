package uwsgi

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// magicVariables are the %-variables of uWSGI, which are filled while a file is read. A
// sign that stands for nothing is taken away together with its %.
type magicVariables struct {
	values map[byte]string
	first  bool // the capitals, which mean the first file, are set
}

func (m *magicVariables) start(cwd string) {
	host, _ := os.Hostname()
	name, group := strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	m.values = map[byte]string{'%': "%", '(': "%(", 'v': cwd, 'h': host, 'V': "2.0.21", 'k': strconv.Itoa(runtime.NumCPU()),
		't': strconv.FormatInt(time.Now().Unix(), 10), '[': "\033", 'u': name, 'g': group, 'U': name, 'G': group}
	if u, err := user.Current(); err == nil {
		m.values['U'] = u.Username
	}
	m.values['G'] = facts.GroupName(group)
}

// file sets the variables for a file. path is absolute, name as it was written.
func (m *magicVariables) file(_, path, section, name string) {
	full := path
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink == 0 {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			full = resolved
		}
	}
	v := m.values
	dir, base := filepath.Split(full)
	v['o'], v['p'], v['s'], v['d'] = name, full, base, dir
	v['c'] = filepath.Base(filepath.Clean(dir))
	if v['c'] == "/" {
		v['c'] = ""
	}
	v['e'], v['n'] = "", base
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		v['e'], v['n'] = base[i+1:], base[:i]
	}
	v['x'] = section
	parts := fieldsBy(dir, "/")
	for i := range byte(10) {
		v['0'+i] = ""
		if int(i) < len(parts) {
			v['0'+i] = parts[i]
		}
	}
	if !m.first {
		m.first = true
		for _, c := range []byte("odspcenx") {
			v[c-'a'+'A'] = v[c]
		}
	}
}

// fill replaces the variables in the text of a file.
func (m *magicVariables) fill(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		b.WriteString(m.values[text[i]])
	}
	return b.String()
}
