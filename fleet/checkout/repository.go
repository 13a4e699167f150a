package checkout

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Repository is where the code of a folder comes from, as the files of its checkout say.
// No git is run: nothing that the repository configures can happen.
type Repository struct {
	Root         string   // the checkout's top
	Remote       string   // where it was cloned from, as .git/config has it; empty: nowhere
	Branch       string   // that of the remote which is followed; empty: none
	Commit       string   // the object id, where no branch is checked out
	Directory    string   // the part of the tree that the folder is; empty: all of it
	Requirements []string // files of pip, relative to Root
	Submodules   bool
	LFS          bool
	Migrate      bool // the folder has a manage.py of Django
	Collect      bool // whose settings say where static files are collected
}

// maxUp is how far above a folder its checkout is looked for.
const maxUp = 6

// RepositoryOf looks for the git checkout that a folder is, or lies in; nil: there is
// none, or none that git itself would read.
func RepositoryOf(dir string) *Repository {
	if !filepath.IsAbs(dir) {
		return nil
	}
	inside := "."
	for range maxUp {
		if r := repositoryAt(dir, inside); r != nil {
			return r
		}
		if dir == "/" {
			break
		}
		inside = path.Join(filepath.Base(dir), inside)
		dir = filepath.Dir(dir)
	}
	return nil
}

func repositoryAt(dir, inside string) *Repository {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	t := tree{root}
	// A worktree or a submodule has a file here, which names a folder elsewhere.
	if fi, err := root.Lstat(".git"); err != nil || !fi.IsDir() || !t.isFile(".git/config") {
		return nil
	}
	config, ok := gitConfig(t.text(".git/config"))
	if !ok {
		return nil
	}
	r := &Repository{Root: dir}
	if inside != "." {
		r.Directory = inside
	}
	head := strings.TrimSpace(t.text(".git/HEAD"))
	branch, isBranch := strings.CutPrefix(head, "ref: refs/heads/")
	if !isBranch {
		r.Commit = head
	}
	remote := config["branch."+branch+".remote"]
	if !isBranch || remote == "" {
		remote = "origin"
	}
	r.Remote = config["remote."+remote+".url"]
	if isBranch {
		r.Branch = branch
		if followed, ok := strings.CutPrefix(config["branch."+branch+".merge"], "refs/heads/"); ok {
			r.Branch = followed
		}
	}
	for _, at := range []string{inside, "."} {
		for _, name := range []string{"requirements.txt", "requirements/production.txt", "requirements/base.txt"} {
			if file := path.Join(at, name); len(r.Requirements) == 0 && t.isFile(file) {
				r.Requirements = []string{file}
			}
		}
	}
	r.Submodules = t.isFile(".gitmodules")
	r.LFS = strings.Contains(t.text(".gitattributes"), "filter=lfs")
	if m := settingsModule().FindStringSubmatch(t.text(path.Join(inside, "manage.py"))); m != nil {
		r.Migrate = true
		l := looker{tree: t}
		text := l.settingsText(inside, m[1])
		if base := settingsBase(m[1]); base != "" {
			text += "\n" + l.settingsText(inside, base)
		}
		r.Collect = staticRoot().MatchString(text)
	}
	return r
}
