package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// The keeper is this program, executed anew between the one that deploys and a
// command. All that the command starts belongs to the keeper, whatever sessions
// and parents it gives itself (PR_SET_CHILD_SUBREAPER), and ends with the command.
// It ends too when the one that deploys ends, SIGKILL included: then the other end
// of the keeper's socket closes.
//
//	deployer -- order --> keeper        what to run
//	deployer -- word ---> keeper        end it: TERM, then KILL
//	deployer    (closed)  keeper        end it at once
//	deployer <- report -- keeper        how it ended, and what it had left running

// keeperName is how a keeper calls itself: the start of its only argument.
const keeperName = "wsgid: runs "

// keeperSocket is the descriptor of the keeper's socket.
const keeperSocket = 3

const (
	// grace is what a command, and each that it has left running, may take to end
	// once it is asked to.
	grace = 2 * time.Second
	// strayGrace is the same for what a command has left running that ended well.
	strayGrace = 500 * time.Millisecond
	// strayLimit is when the keeper gives up: a process that waits for a disk
	// cannot be ended.
	strayLimit = 10 * time.Second
)

// order is what a keeper is to run. It does not come by arguments and environment:
// those are the command's, and may hold secrets, or what changes a program.
type order struct {
	Program string
	Args    []string
	Env     []string
	Dir     string
	Account *Account
	Nice    int
}

// report is how a command has ended.
type report struct {
	Error  string         `json:",omitempty"` // why it did not start
	Signal syscall.Signal `json:",omitempty"` // that ended it
	Left   []string       `json:",omitempty"` // names of what it had left running
}

// A keeper is no other program, so that none has to be found or installed. It has
// nothing to do with what packages above this one prepare.
func init() {
	if len(os.Args) == 1 && strings.HasPrefix(os.Args[0], keeperName) {
		runKeeper()
	}
}

type keeper struct {
	pid int // of the command, a group leader

	mu     sync.Mutex // held while a process is signalled or reaped, so that no number is another's
	ended  bool       // the command was reaped
	atOnce bool       // nobody waits for it any more, or has waited long enough
}

func runKeeper() {
	runtime.LockOSThread() // the command's death signal is that of the thread that forks, and its priority
	unix.CloseOnExec(keeperSocket)
	socket := os.NewFile(keeperSocket, "deployer")
	words := json.NewDecoder(socket)
	var o order
	if err := words.Decode(&o); err != nil {
		os.Exit(1)
	}
	k, err := startOrder(o)
	if err != nil {
		_ = json.NewEncoder(socket).Encode(report{Error: err.Error()})
		os.Exit(126)
	}
	go k.listen(words)
	status := k.wait()
	rep := report{Left: k.endRest()}
	code := status.ExitStatus()
	if status.Signaled() {
		rep.Signal = status.Signal()
		code = 128 + int(rep.Signal)
	}
	_ = json.NewEncoder(socket).Encode(rep)
	os.Exit(code)
}

func startOrder(o order) (*keeper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot keep what it starts: %w", err)
	}
	unix.Umask(commandUmask)
	attr := &syscall.ProcAttr{Dir: o.Dir, Env: o.Env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: o.Account.credential(), Pdeathsig: syscall.SIGKILL}}
	pid, err := syscall.ForkExec(o.Program, o.Args, attr)
	if errors.Is(err, syscall.ENOEXEC) { // a script without #!, which every shell runs
		args := append([]string{"sh", o.Program}, o.Args[1:]...)
		pid, err = syscall.ForkExec("/bin/sh", args, attr)
	}
	if err != nil {
		return nil, err
	}
	standBackAsSession(pid, o.Nice)
	return &keeper{pid: pid}, nil
}

// listen ends the command when it is told to, or nobody is there to tell.
func (k *keeper) listen(words *json.Decoder) {
	var word string
	if words.Decode(&word) == nil {
		k.signal(unix.SIGTERM)
		go func() {
			_ = words.Decode(&word) // until the other end closes
			k.kill()
		}()
		time.Sleep(grace)
	}
	k.kill()
}

// kill ends the command and all that is left of it, until it is reaped.
func (k *keeper) kill() {
	for k.signal(unix.SIGKILL) {
		time.Sleep(5 * time.Millisecond)
	}
}

// signal sends a signal to the command's group, and SIGKILL to all others too. It
// tells whether the command was still there.
func (k *keeper) signal(sig unix.Signal) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.atOnce = k.atOnce || sig == unix.SIGKILL
	if k.ended {
		return false
	}
	_ = unix.Kill(-k.pid, sig)
	if sig == unix.SIGKILL {
		for _, pid := range appdir.ChildrenOf("/proc/self/task") {
			_ = unix.Kill(pid, sig)
		}
	}
	return true
}

// wait reaps until the command has ended.
func (k *keeper) wait() syscall.WaitStatus {
	for {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0 // no child: cannot be
		}
		k.mu.Lock()
		var ws unix.WaitStatus
		if pid, _ := unix.Wait4(-1, &ws, unix.WNOHANG, nil); pid == k.pid {
			k.ended = true
			k.mu.Unlock()
			return syscall.WaitStatus(ws)
		}
		k.mu.Unlock()
	}
}

// endRest ends what the command has left running, and names it.
func (k *keeper) endRest() (names []string) {
	asked := map[int]bool{}
	for begun := time.Now(); time.Since(begun) < strayLimit; time.Sleep(5 * time.Millisecond) {
		var err error = unix.EINTR
		for pid := 0; pid > 0 || errors.Is(err, unix.EINTR); {
			pid, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		if errors.Is(err, unix.ECHILD) {
			// As a rule. Nothing is looked for in /proc then, which the kernel keeps of
			// what ends until whoever reaps it, the daemon at its full priority, has
			// waited for the last of our threads to let go of it.
			break
		}
		left := appdir.ChildrenOf("/proc/self/task")
		if len(left) == 0 {
			break
		}
		k.mu.Lock()
		kill := k.atOnce || time.Since(begun) > strayGrace
		k.mu.Unlock()
		for _, pid := range left {
			switch {
			case kill:
				_ = unix.Kill(pid, unix.SIGKILL)
			case !asked[pid] && time.Since(begun) > 10*time.Millisecond: // it may just be ending
				_ = unix.Kill(pid, unix.SIGTERM)
			default:
				continue
			}
			if !asked[pid] && len(names) < 20 {
				names = append(names, nameOf(pid))
			}
			asked[pid] = true
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nameOf is the name of a process.
func nameOf(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "comm"))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return Printable(strings.TrimSpace(string(b)))
}
