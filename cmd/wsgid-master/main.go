// Command wsgid-master serves one app. It is not a command for people: wsgid-fleet
// and wsgid start it, from beside themselves or from libexec/wsgid-fleet, and tell
// it over a socket what to serve. It links package runner/master and what that needs,
// neither the spec language nor the fleet, since every app has one of it running.
package main

import (
	"fmt"
	"os"

	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/master"
)

func main() {
	master.Main()
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(boot.Program, boot.Build())
		return
	}
	fmt.Fprintln(os.Stderr, "wsgid-master: wsgid-fleet and wsgid start this program, one for each app: see wsgid-fleet --help")
	os.Exit(2)
}
