package source

import (
	"fmt"
	"path"
	"strings"
)

// submodules fetches and lists what a tree names of other repositories, each by
// the rules of the first one. Git's own submodule command is not used: it writes
// a repository's configuration from what the repository says.
func (u *unpacker) submodules(p *part, inside string, modules []entry, depth int) error {
	urls, err := u.moduleURLs(p)
	if err != nil {
		return err
	}
	for _, e := range modules {
		within := e.path // in the repository that names it
		if p.below != "" {
			within = strings.TrimPrefix(within, p.below+"/")
		}
		given, ok := urls[path.Join(inside, within)]
		if !ok {
			return fmt.Errorf("submodule %s: .gitmodules has no url for it", quoted(e.path))
		}
		address, err := relative(p.repo.URL, given)
		if err != nil {
			return fmt.Errorf("submodule %s: %w", quoted(e.path), err)
		}
		how, _, err := parse(address)
		if err != nil {
			return fmt.Errorf("submodule %s: %w", quoted(e.path), err)
		}
		if from, _, _ := parse(p.repo.URL); how == file && from != file {
			return fmt.Errorf("submodule %s: %s is on this machine, and its parent is not", quoted(e.path), shown(address))
		}
		sub := p.repo
		sub.URL, sub.Branch, sub.Commit = address, "", e.id
		c, err := u.store.fetchOne(u.ctx, sub)
		if err != nil {
			return fmt.Errorf("submodule %s: %w", quoted(e.path), err)
		}
		if err := u.add(u.part(sub, c, e.path), c.ID, depth+1); err != nil {
			return fmt.Errorf("submodule %s: %w", quoted(e.path), err)
		}
	}
	return nil
}

// moduleURLs reads .gitmodules: URLs by path.
func (u *unpacker) moduleURLs(p *part) (map[string]string, error) {
	out, err := u.store.output(u.ctx, p.repo, p.dir, "config", "--no-includes", "--blob", p.id+":.gitmodules",
		"-z", "--get-regexp", `^submodule\..*\.(path|url)$`)
	if err != nil && !said(err, "unable to resolve config blob") {
		return nil, fmt.Errorf("cannot read .gitmodules: %w", err)
	}
	paths, urls := map[string]string{}, map[string]string{}
	for item := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		if name, ok := strings.CutSuffix(key, ".path"); ok {
			paths[name] = strings.Trim(value, "/")
		} else if name, ok := strings.CutSuffix(key, ".url"); ok {
			urls[name] = value
		}
	}
	byPath := map[string]string{}
	for name, at := range paths {
		if given, ok := urls[name]; ok {
			byPath[at] = given
		}
	}
	return byPath, nil
}
