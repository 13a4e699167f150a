package main

import (
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// init makes the app folder and what it holds; what exists is left alone.
func (c *cli) init() (int, error) {
	fsys, err := appdir.Open(c.path)
	if err != nil {
		return 0, err
	}
	defer fsys.Close()
	made, err := appdir.Init(fsys)
	if err != nil {
		return 0, err
	}
	if len(made) == 0 {
		fmt.Fprintf(c.out, "%s is an app folder already, nothing is missing.\n", c.path)
		return exitOK, nil
	}
	fmt.Fprintf(c.out, "App folder %s is ready: put the code into %s.\n", c.path, appdir.Join(c.path, appdir.AppDir))
	if uid, err := c.folderUID(); err == nil && uid == 0 && os.Geteuid() == 0 {
		fmt.Fprintf(c.out, "It belongs to root, and the app runs as its owner: give it to a user of its own, chown -R USER %s\n", c.path)
	}
	return exitOK, nil
}
