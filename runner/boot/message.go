package boot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// Title is how a master calls itself: the start of its first argument.
const Title = "wsgid: master "

// PipesSwitch is the variable of the environment that keeps a master from having bodies of
// requests wait in pipes: off.
const PipesSwitch = "WSGID_PIPES"

// RingSwitch is the variable of the environment that keeps a master from having answers of
// busy workers by shared memory: 0.
const RingSwitch = "WSGID_RING"

// linkFD is where a new master finds the link to the process that started it;
// its listening sockets follow, and after them its app folder.
const linkFD = 3

// Message is what a master is started with. It goes over a socket, since
// it holds secrets that no argument and no environment may show.
type Message struct {
	Spec       *appspec.Spec `json:"spec"`
	User       sandbox.User  `json:"user"`
	HostDir    string        `json:"host_dir"` // of the Python host
	StateDir   string        `json:"state_dir"`
	DataDir    string        `json:"data_dir"`
	Generation int           `json:"generation"`
	Listeners  []string      `json:"listeners"` // listen strings, in the order of the descriptors
	Foreground bool          `json:"foreground"`
	Standby    bool          `json:"standby"`
	Stderr     bool          `json:"stderr"` // its standard error is one to log to
	Env        []string      `json:"env"`
	Starter    string        `json:"starter"`  // the program that starts it
	Build      string        `json:"build"`    // of that program
	Stem       *stem.Stem    `json:"stem"`     // its socket and that of a spare worker follow the app folder; nil: there is none
	Unforked   string        `json:"unforked"` // why there is none; empty: nobody forks

	Folder     int `json:"-"` // descriptor of the app folder
	StemSocket int `json:"-"` // and of the stem's socket; the spare worker's is the next
}

// Answer is what the master answers when it serves, or why it cannot.
type Answer struct {
	Error      string `json:"error"`
	OtherBuild bool   `json:"other_build"` // the master is not of the build of who starts it
}

// Read reads the boot message in the new master.
func Read() (boot Message, link *os.File, files map[string]int, err error) {
	unix.CloseOnExec(linkFD)
	link = os.NewFile(linkFD, "boot")
	b, err := io.ReadAll(link)
	if err != nil {
		return boot, link, nil, fmt.Errorf("cannot read boot message: %w", err)
	}
	// Before all else, as another build may mean other things by the rest.
	var from struct {
		Starter string `json:"starter"`
		Build   string `json:"build"`
	}
	if err := json.Unmarshal(b, &from); err != nil {
		return boot, link, nil, fmt.Errorf("cannot read boot message: %w", appspec.JSONReason(err))
	}
	if mine := Build(); from.Build != mine {
		path, _ := os.Executable()
		return boot, link, nil, &buildError{OtherBuild(path, mine, from.Starter, from.Build)}
	}
	if err := json.Unmarshal(b, &boot); err != nil || boot.Spec == nil {
		return boot, link, nil, fmt.Errorf("cannot read boot message: %w", errors.Join(appspec.JSONReason(err), errors.New("it holds no spec")))
	}
	files = map[string]int{}
	for i, name := range boot.Listeners {
		fd := linkFD + 1 + i
		unix.CloseOnExec(fd)
		files[name] = fd
	}
	boot.Folder = linkFD + 1 + len(boot.Listeners)
	unix.CloseOnExec(boot.Folder)
	last := boot.Folder
	if boot.Stem != nil {
		boot.StemSocket = last + 1
		last += 2
		unix.CloseOnExec(boot.StemSocket)
		unix.CloseOnExec(last)
	}
	closeForeign(last)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	return boot, link, files, nil
}

// closeForeign closes what came with the process beyond what it was given: a
// careless parent's descriptors, which would stay open as long as the master.
// All that this program opens itself is closed on exec, and so told apart.
func closeForeign(last int) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range fds {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= last {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}

// buildError tells that a master is not of the build of who starts it.
type buildError struct{ error }

// Reply answers who started this master: nil, or why it cannot serve.
func Reply(link *os.File, problem error) {
	if link == nil {
		return
	}
	var answer Answer
	if problem != nil {
		answer.Error = problem.Error()
		_, answer.OtherBuild = errors.AsType[*buildError](problem)
	}
	b, _ := json.Marshal(&answer)
	_, _ = link.Write(b)
	_ = link.Close()
}
