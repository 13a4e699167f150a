package zygote

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// Switch is the variable of the daemon's environment that has it use zygotes, as "on".
const Switch = "WSGID_ZYGOTE"

// Set is the zygotes of a daemon. It is safe for concurrent use.
type Set struct {
	log *slog.Logger

	mu     sync.Mutex
	closed bool
	kinds  map[string]*kind // by what they have in common
}

// kind is what apps have in common that may share a zygote.
type kind struct {
	mu     sync.Mutex
	apps   map[string]bool
	zygote *zygote   // nil: there is none
	failed string    // the interpreter, as it was when there could be none
	again  time.Time // when to try that one again: it was too slow; zero: not at all
}

// pause is how long a zygote that did not start in time is not tried again: meanwhile
// masters do not wait for it.
const pause = time.Minute

// New makes an empty set.
func New(log *slog.Logger) *Set { return &Set{log: log, kinds: map[string]*kind{}} }

// Prepare is what StartOptions.Zygote wants: how a master for a spec is forked; nil: it
// is to be started as without.
func (s *Set) Prepare(spec *appspec.Spec, user sandbox.User, hostDir string, env []string) *stem.Fork {
	var all []string
	own := spec.Environ()
	for k, v := range own {
		all = append(all, k+"="+v)
	}
	// What the spec says of a name holds.
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := own[name]; !ok {
			all = append(all, kv)
		}
	}
	python, locale := stem.Forkable(spec, all)
	if python == "" {
		return nil
	}
	k := s.kind(python, locale, user, hostDir)
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.apps[spec.Name] = true
	if len(k.apps) < 2 {
		return nil
	}
	if z := k.zygote; z != nil && (z.stem.Changed() != "" || z.ended()) {
		z.close()
		k.zygote = nil
	}
	if k.zygote == nil {
		now := stem.Mark(python)
		if k.failed == now && (k.again.IsZero() || time.Now().Before(k.again)) {
			return nil
		}
		z, err := start(python, locale, user, hostDir)
		if err != nil {
			k.failed, k.again = now, time.Time{}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				k.again = time.Now().Add(pause)
			}
			s.log.Info("the memory of the interpreter is not shared between apps", "python", python, "user", user.Name, "err", err)
			return nil
		}
		k.zygote = z
	}
	z := k.zygote
	return &stem.Fork{Stem: z.stem, Start: func(args, env []string, files []uintptr) (int, error) {
		return z.fork(spec.Name, args, env, files)
	}}
}

func (s *Set) kind(python string, locale []string, user sandbox.User, hostDir string) *kind {
	key, _ := json.Marshal([]any{python, locale, cmp.Or(credential(user), "own"), hostDir})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	k := s.kinds[string(key)]
	if k == nil {
		k = &kind{apps: map[string]bool{}}
		s.kinds[string(key)] = k
	}
	return k
}

// Close ends all zygotes, and waits for that. Nothing that runs needs them.
func (s *Set) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.closed = true
	var all []*kind
	for _, k := range s.kinds {
		all = append(all, k)
	}
	s.mu.Unlock()
	for _, k := range all {
		k.mu.Lock()
		if k.zygote != nil {
			k.zygote.close()
			k.zygote = nil
		}
		k.mu.Unlock()
	}
}

// Reopen has zygotes be started again after Close: the daemon goes on.
func (s *Set) Reopen() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.closed = false
	s.mu.Unlock()
}

// PIDs are the numbers of the processes.
func (s *Set) PIDs() (pids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		k.mu.Lock()
		if k.zygote != nil {
			pids = append(pids, k.zygote.pid)
		}
		k.mu.Unlock()
	}
	slices.Sort(pids)
	return pids
}
