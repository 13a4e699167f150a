package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func (o *tempestOperator) edit(s *tempestSite) {
	o.edits("edit %v", s, func() (any, bool) {
		s.edit++
		o.put(s.file)
		return s.edit, true
	})
}

func (o *tempestOperator) resize(s *tempestSite) {
	o.edits("%v workers", s, func() (any, bool) {
		s.workers = 1 + o.r.IntN(2)
		o.put(s.file)
		return s.workers, true
	})
}

func (o *tempestOperator) spoil(s *tempestSite) {
	o.edits("broken %v", s, func() (any, bool) {
		o.broken[s.file] = !o.broken[s.file]
		o.put(s.file)
		return o.broken[s.file], true
	})
}

func (o *tempestOperator) fault(s *tempestSite) {
	o.edits("module that is not there %v", s, func() (any, bool) {
		if s.sleeps { // nobody knows until it wakes
			return nil, false
		}
		s.faulty = !s.faulty
		o.put(s.file)
		return s.faulty, true
	})
}

// rename gives an app another name; its folder stays.
func (o *tempestOperator) rename(s *tempestSite) {
	s.naming.Lock()
	defer s.naming.Unlock()
	o.edits("is called %v", s, func() (any, bool) {
		if o.broken[s.file] {
			return nil, false
		}
		o.otherName(s)
		o.put(s.file)
		return s.app(), true
	})
}

func (o *tempestOperator) otherName(s *tempestSite) {
	switch {
	case s.key == "side":
		s.environment = []string{"side", "beside"}[o.r.IntN(2)]
	case s.base != "":
		s.environment = []string{"dev", "live", fmt.Sprint("x", o.r.IntN(9))}[o.r.IntN(3)]
	default:
		s.name = s.key + []string{"", "x", fmt.Sprint("y", o.r.IntN(99))}[o.r.IntN(3)]
	}
}

// moveFolder gives an app another name and its folder as well. What is deployed is deployed anew.
func (o *tempestOperator) moveFolder(s *tempestSite) {
	s.naming.Lock()
	defer s.naming.Unlock()
	if !o.edits("is moved to %v", s, func() (any, bool) {
		if o.broken[s.file] || !s.there || s.faulty {
			return nil, false
		}
		s.goesDown()
		old := s.folder
		s.folder = filepath.Join(o.demo, "apps", fmt.Sprint(s.key, "-", o.r.IntN(1e6)))
		if s.repo == nil {
			if err := os.Rename(old, s.folder); err != nil {
				o.t.Error(err)
			}
		}
		o.otherName(s)
		o.put(s.file)
		return s.folder, true
	}) {
		return
	}
	// Else a master of the former name, which has no code any more, may have somebody's request.
	if s.repo != nil && o.of(s, "deploy").code == 0 {
		o.comesUp(s)
	}
}

// branch has an app block hold an environment, or the app itself again.
func (o *tempestOperator) branch(s *tempestSite) {
	s.naming.Lock()
	defer s.naming.Unlock()
	o.edits("is %v by its environments", s, func() (any, bool) {
		if o.broken[s.file] || s.key == "news" || s.key == "side" {
			return nil, false
		}
		if s.base == "" {
			s.base, s.environment = s.key, []string{"dev", "production"}[o.r.IntN(2)]
		} else {
			s.base, s.name = "", s.key
		}
		o.put(s.file)
		return s.app(), true
	})
}

// together are the sites of the file of one.
func (o *tempestOperator) together(file string) (all []*tempestSite) {
	for _, s := range o.sites {
		if s.file == file {
			all = append(all, s)
		}
	}
	return all
}

func (o *tempestOperator) translate(s *tempestSite) {
	o.edits("JSON %v", s, func() (any, bool) {
		if o.broken[s.file] {
			return nil, false
		}
		is := !s.json
		for _, other := range o.together(s.file) {
			other.json = is
		}
		o.put(s.file)
		return is, true
	})
}

// path is the file that a site's spec is in.
func (o *tempestOperator) path(s *tempestSite) string {
	ending := ".hcl"
	if s.json {
		ending = ".hcl.json"
	}
	return filepath.Join(o.specs, s.file+ending)
}

func (o *tempestOperator) moveFile(s *tempestSite) {
	o.edits("its file is %v", s, func() (any, bool) {
		old, file := o.path(s), fmt.Sprint(s.key, o.r.IntN(99))
		if file == s.file {
			return nil, false
		}
		o.broken[file] = o.broken[s.file]
		delete(o.broken, s.file)
		for _, other := range o.together(s.file) {
			other.file = file
		}
		_ = os.Rename(old, o.path(s)) // all in it may be out
		return file, true
	})
}

// regroup puts the spec of an app into the file of another, or into one of its own.
func (o *tempestOperator) regroup(s *tempestSite) {
	o.edits("its spec is in the file %v", s, func() (any, bool) {
		to := o.sites[o.r.IntN(len(o.sites))]
		was, file, json := s.file, to.file, to.json
		if file == was {
			file, json = fmt.Sprint(s.key, 100+o.r.IntN(99)), s.json
		}
		if o.broken[was] || o.broken[file] {
			return nil, false
		}
		for _, other := range o.sites {
			if other == s || s.base != "" && other.base == s.base {
				other.file, other.json = file, json
			}
		}
		o.put(file)
		o.put(was)
		return file, true
	})
}

// takeOut takes an environment out of its app, or brings it back.
func (o *tempestOperator) takeOut(*tempestSite) {
	s := o.sites[len(o.sites)-1]
	back := false
	if o.edits("is there %v", s, func() (any, bool) {
		if o.broken[s.file] {
			return nil, false
		}
		if s.there {
			s.goesDown()
		}
		s.there = !s.there
		back = s.there
		o.put(s.file)
		return s.there, true
	}) && back {
		o.comesUp(s)
	}
}

// remove takes a file out of the directory for a moment.
func (o *tempestOperator) remove(s *tempestSite) {
	var all []*tempestSite
	if !o.edits("its file is away for %v", s, func() (any, bool) {
		away := time.Duration(o.r.IntN(1500)) * time.Millisecond
		path, beside := o.path(s), filepath.Join(o.dir, "away")
		if _, err := os.Stat(path); err != nil || o.broken[s.file] {
			return nil, false
		}
		for _, other := range o.together(s.file) {
			if other.there {
				all = append(all, other)
				other.goesDown()
			}
		}
		o.must(os.Rename(path, beside))
		time.Sleep(away)
		o.must(os.Rename(beside, path))
		return away, true
	}) {
		return
	}
	for _, other := range all {
		o.comesUp(other)
	}
}

func (o *tempestOperator) disable(s *tempestSite) {
	if !o.edits("disabled %v", s, func() (any, bool) {
		if o.broken[s.file] || !s.there || !s.enabled {
			return nil, false
		}
		s.goesDown()
		s.enabled = false
		o.put(s.file)
		return true, true
	}) {
		return
	}
	time.Sleep(time.Duration(o.r.IntN(1000)) * time.Millisecond) // so long it is
	o.edits("disabled %v", s, func() (any, bool) {
		s.enabled = true
		o.put(s.file)
		return false, true
	})
	o.comesUp(s)
}

func (o *tempestOperator) database(s *tempestSite) {
	o.edits("database %v", s, func() (any, bool) {
		if s.repo == nil {
			return nil, false
		}
		s.db = o.r.IntN(3)
		o.put(s.file)
		return s.db, true
	})
}
