package hclspec

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// static checks what the static blocks say together, and brings their paths into
// one form.
func (c *checker) static() {
	s := c.spec
	first := map[string]int{}
	for i := range s.Static {
		b := &s.Static[i]
		at := func(name string) string { return appspec.IndexPath(explain.StaticBlock+"."+name, i) }
		if b.Dir != "" {
			b.Dir = filepath.Clean(b.Dir)
		}
		if b.URL != "" {
			if j, twice := first[b.URL]; twice {
				where := ""
				if rng, ok := s.Ranges[appspec.IndexPath(explain.StaticBlock+".url", j)]; ok {
					where = ": the first is on line " + itoa(rng.Start.Line)
				}
				c.fault(at("url"), "the url "+s.Shown(at("url"), appspec.Quote(b.URL))+" is defined twice"+where, "a url maps to one folder: remove one block, or give it another url")
				continue
			}
			first[b.URL] = i
		}
		if filepath.IsAbs(b.Dir) {
			shown := s.Shown(at("dir"), appspec.Quote(b.Dir))
			switch folder := filepath.Clean(s.Path); {
			case b.Dir == folder:
				c.fault(at("dir"), "dir "+shown+" is the app folder itself, which holds code and secrets", "write the folder of the files alone, such as dir = \"app/static\"")
			case s.Chroot && !inside(b.Dir, folder):
				c.fault(at("dir"), "dir "+shown+" is outside of the app folder, and chroot is true", "move the files into "+s.Path+", or write chroot = false")
			}
		}
	}
	if len(s.Static) > 0 && len(s.Sockets.HTTP) == 0 && len(s.Sockets.Mongrel2) > 0 {
		c.warn(explain.StaticBlock+"[0]", "static is for http sockets, and the app has none", "a mongrel2 server serves files itself, by a Dir handler: leave the block out, or add an http socket")
	}
}

// staticFolders looks for the folders of the static blocks. It is asked anew in each
// load. One that is not there is a warning: the app answers in its place, and may
// make it later.
func (c *candidate) staticFolders(fsys afero.Fs) {
	if len(c.spec.Static) == 0 || !c.spec.Enabled {
		return
	}
	k := &checker{spec: c.spec, whole: c.whole}
	for i := range c.spec.Static {
		k.staticFolder(fsys, i)
	}
	c.diags = append(c.diags, k.diags...)
	c.warn = append(slices.Clip(c.warn), k.warned...) // those of the cache are shared
}

func (c *checker) staticFolder(fsys afero.Fs, i int) {
	s := c.spec
	dir := s.Static[i].Dir
	if dir == "" {
		return
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.Path, dir)
	}
	at := appspec.IndexPath(explain.StaticBlock+".dir", i)
	shown := s.Shown(at, dir)
	switch info, err := fsys.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		if !filepath.IsAbs(s.Static[i].Dir) && collects(s) {
			return // the next deploy makes it
		}
		c.warn(at, "dir "+shown+" does not exist: the app answers instead", c.makeStatic(fsys, s.Static[i].URL, dir))
	case err != nil: // the app's user may be let look
	case !info.IsDir():
		c.fault(at, "dir "+shown+" is a file", "write the folder that contains it")
	}
}

// makeStatic says how the folder comes to be.
func (c *checker) makeStatic(fsys afero.Fs, url, dir string) string {
	s := c.spec
	if !strings.Contains(strings.ToLower(url+filepath.Base(dir)), "static") {
		return "create it, and put the files into it; for what users upload, as into MEDIA_ROOT of Django, the user of the app has to own it"
	}
	manage := ""
	for _, name := range []string{"app/manage.py", "manage.py"} {
		if info, err := fsys.Stat(filepath.Join(s.Path, name)); err == nil && !info.IsDir() {
			manage = filepath.Join(s.Path, name)
			break
		}
	}
	if s.Django == nil && s.Loader != "django" && manage == "" {
		return "create it, and put the files into it"
	}
	const setting = ", with STATIC_ROOT of the Django settings as that folder"
	if s.Deploy != nil {
		return "write in deploy: stage \"static\" { command = [\"python\", \"manage.py\", \"collectstatic\", \"--noinput\"] }" + setting
	}
	if manage == "" {
		manage = filepath.Join(s.Path, "app/manage.py")
	}
	return "make it with: " + c.pythonOf() + " " + manage + " collectstatic --noinput" + setting
}

// pythonOf is the interpreter as an operator calls it.
func (c *checker) pythonOf() string {
	s := c.spec
	switch {
	case s.Virtualenv != "" && !s.IsSensitive("virtualenv"):
		dir := s.Virtualenv
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.Path, dir)
		}
		return filepath.Join(dir, "bin/python")
	case s.Python != "" && !s.IsSensitive("python"):
		return s.Python
	}
	return "python3"
}

// collects tells whether a stage of the deploy runs collectstatic.
func collects(s *appspec.Spec) bool {
	return s.Deploy != nil && slices.ContainsFunc(s.Deploy.Stages, func(st appspec.Stage) bool {
		return slices.ContainsFunc(st.Command, func(word string) bool { return strings.Contains(word, "collectstatic") })
	})
}
