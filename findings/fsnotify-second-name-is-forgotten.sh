#!/usr/bin/env bash
# github.com/fsnotify/fsnotify v1.10.1, on Linux (inotify)
#
# Guess: a folder that is added under two names, its own and that of a link or a
# bind mount to it, is watched until both are removed; or the second Add fails.
# What happens: the second Add ends without an error and is forgotten: WatchList
# has one name, and Remove of that one ends the only watch there is. From then on
# nothing comes, and Remove of the second name says that it was never watched.
# Who is hurt: whoever counts names and not folders: a program that watches two
# settings which lead to one place (config and current/config) and drops one of them
# goes blind for the other, without a word.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

func main() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		panic(err)
	}
	fmt.Println("add:", os.Mkdir("own", 0o755), os.Symlink("own", "link"), w.Add("own"), w.Add("link"), w.WatchList())
	fmt.Println("heard of one:", os.WriteFile("own/one", nil, 0o644), heard(w))
	fmt.Println("remove own:", w.Remove("own"), w.WatchList())
	fmt.Println("heard of two:", os.WriteFile("own/two", nil, 0o644), heard(w))
	fmt.Println("remove link:", w.Remove("link"))
}

// heard waits for what comes within a second.
func heard(w *fsnotify.Watcher) bool {
	select {
	case <-w.Events:
		return true
	case <-time.After(time.Second):
		return false
	}
}
GO
modules github.com/fsnotify/fsnotify@v1.10.1
expect 'seen' "add: <nil> <nil> <nil> <nil> [own]
heard of one: <nil> true
remove own: <nil> []
heard of two: <nil> false
remove link: fsnotify: can't remove non-existent watch: link" "$(./probe)"
