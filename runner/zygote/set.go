package zygote

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// Switch is the variable of the daemon's environment that says when it uses zygotes: on,
// for whatever app they can serve; auto, where enough apps share one.
const Switch = "WSGID_ZYGOTE"

// Least is how many apps make a zygote worth its memory, of those that it can serve.
const Least = 5

// Set is the zygotes of a daemon. It is safe for concurrent use.
type Set struct {
	// Fleet is the specs of all apps, by which a zygote is begun that enough of them can
	// share; nil: one is begun for the first.
	Fleet func() []*appspec.Spec

	log *slog.Logger

	mu     sync.Mutex
	life   context.Context // ends starts that are under way
	end    context.CancelFunc
	starts sync.WaitGroup   // of zygotes
	kinds  map[string]*kind // by what they have in common
}

// New makes an empty set.
func New(log *slog.Logger) *Set {
	s := &Set{log: log, kinds: map[string]*kind{}}
	s.Reopen()
	return s
}

// Prepare is what StartOptions.Zygote wants: how a master for a spec is forked, or why it
// is to be started as without. It takes a moment, even where a zygote hangs.
func (s *Set) Prepare(spec *appspec.Spec, user sandbox.User, hostDir string, env []string) *stem.Fork {
	python, locale, why := stem.Forkable(spec, environ(spec, env))
	if why != "" {
		return &stem.Fork{Why: stem.Restart}
	}
	k := s.kind(python, locale, user, hostDir)
	z, why := k.take(s, func() bool { return s.worth(spec, env) })
	if z == nil {
		return &stem.Fork{Why: why}
	}
	return &stem.Fork{Stem: z.stem, Start: func(args, env []string, files []uintptr) (int, error) {
		return z.fork(spec.Name, args, env, files)
	}}
}

// environ is what the workers of a spec begin with.
func environ(spec *appspec.Spec, env []string) (all []string) {
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
	return all
}

// worth tells whether enough apps of the fleet can share a zygote with that one. Whose
// user is that of its folder counts as if all folders were one user's.
func (s *Set) worth(spec *appspec.Spec, env []string) bool {
	if s.Fleet == nil {
		return true
	}
	n := 0
	for _, other := range s.Fleet() {
		if other.User != spec.User || other.Python != spec.Python {
			continue
		}
		if _, _, why := stem.Forkable(other, environ(other, env)); why == "" {
			if n++; n == Least {
				return true
			}
		}
	}
	return false
}

func (s *Set) kind(python string, locale []string, user sandbox.User, hostDir string) *kind {
	key, _ := json.Marshal([]any{python, locale, cmp.Or(credential(user), "own"), hostDir})
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[string(key)]
	if k == nil {
		k = &kind{start: func(ctx context.Context) (*zygote, error) { return start(ctx, python, locale, user, hostDir) }, python: python, user: user.Name}
		s.kinds[string(key)] = k
	}
	return k
}

// begin has start run, with what ends when the set is closed; false: it is.
func (s *Set) begin(start func(context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	life := s.life
	s.starts.Go(func() { start(life) })
	return true
}

// Close ends all zygotes, and waits for that. Nothing that runs needs them.
func (s *Set) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.starts.Wait()
	for _, k := range s.all() {
		k.drop()
	}
}

// Reopen has zygotes be started again after Close: the daemon goes on.
func (s *Set) Reopen() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.life, s.end = context.WithCancel(context.Background())
	s.mu.Unlock()
}

func (s *Set) all() (all []*kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		all = append(all, k)
	}
	return all
}

// PIDs are the numbers of the processes.
func (s *Set) PIDs() (pids []int) {
	for _, k := range s.all() {
		k.mu.Lock()
		if k.zygote != nil {
			pids = append(pids, k.zygote.pid)
		}
		k.mu.Unlock()
	}
	slices.Sort(pids)
	return pids
}
