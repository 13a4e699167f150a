package source

import (
	"fmt"
	"path"
	"strings"
)

// links are the symbolic links of a tree and where they lead, by path.
type links map[string]string

// maxHops is where the kernel gives up.
const maxHops = 40

// check refuses links that are absolute or lead out of the tree, alone or by way
// of others.
func (l links) check() error {
	for name, target := range l {
		if target == "" || strings.ContainsRune(target, 0) {
			return fmt.Errorf("the symbolic link %s points to %s, which is not a path", quoted(name), quoted(target))
		}
		if strings.HasPrefix(target, "/") {
			return fmt.Errorf("the symbolic link %s points to %s: a release may only have relative links that stay inside (a folder that outlives releases is named in `shared`)", quoted(name), quoted(target))
		}
		if !l.inside(name) {
			return fmt.Errorf("the symbolic link %s points to %s, outside the part of the repository that is deployed", quoted(name), quoted(target))
		}
		for part := range strings.SplitSeq(target, "/") {
			if isDotGit(part) {
				return fmt.Errorf("the symbolic link %s points to %s, a name of git's own folder", quoted(name), quoted(target))
			}
		}
	}
	return nil
}

// inside follows a link as the kernel does. What is not there, or goes in
// circles, leads nowhere and so not out.
func (l links) inside(name string) bool {
	at := path.Dir(name)
	todo := strings.Split(l[name], "/")
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return false
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		target, is := l[next]
		if !is {
			at = next
			continue
		}
		if hops++; hops > maxHops {
			return true
		}
		if strings.HasPrefix(target, "/") {
			return false
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return true
}
