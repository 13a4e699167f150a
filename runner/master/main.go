package master

import (
	"fmt"
	"os"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/boot"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// Main runs the part of wsgid-master that this process was executed for, if any,
// and then does not return. A program that calls it starts its masters from
// itself.
func Main() {
	boot.SetUmask()
	boot.IsMaster = true
	if strings.HasPrefix(os.Args[0], boot.Title) {
		run()
	}
	if strings.HasPrefix(os.Args[0], sandbox.InitName) {
		sandbox.RunInit(boot.TrimMemory)
	}
}

// run is the main function of a master process.
func run() {
	boot.NameProcess(strings.TrimPrefix(os.Args[0], boot.Title))
	// From the first moment: what comes while it starts is done when it runs.
	signals := listenToSignals()
	msg, link, files, err := boot.Read()
	if err == nil && msg.Spec.Gate != nil {
		err = runGate(msg, link, files, signals)
	} else if err == nil {
		var m *master
		if m, err = newMaster(msg, files); err == nil {
			boot.Reply(link, nil)
			err = m.run(signals)
		}
	}
	if err != nil {
		boot.Reply(link, err)
		fmt.Fprintln(os.Stderr, "wsgid: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}
