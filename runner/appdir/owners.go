package appdir

import (
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// ownersLife is how long an answer of the user database is taken for true by who looks at
// folders: a plan of ten thousand apps asks for the same few users, and takes as long.
const ownersLife = time.Second

// owners are those of this process.
var owners = knownOwners{now: time.Now}

// knownOwners remembers who the owner of a folder is, by all that it follows from but for the
// user database. What cannot be answered is not remembered.
type knownOwners struct {
	now   func() time.Time
	mu    sync.Mutex // guards what follows
	since time.Time
	all   map[ownerKey]Owner
}

type ownerKey struct {
	user, group string
	uid, gid    int // of the folder, where the spec names no user; -1: there is none
}

// of is FolderOwner of a spec as it is run by root; folder tells whose its folder is.
func (k *knownOwners) of(spec *appspec.Spec, root bool, folder func() (uid, gid int, err error)) (Owner, error) {
	key := ownerKey{spec.User, spec.Group, -1, -1}
	var err error
	if root && spec.User == "" {
		if key.uid, key.gid, err = folder(); err != nil {
			key.uid, key.gid = -1, -1
		}
	}
	if o, ok := k.known(key); ok && root && err == nil {
		return o, nil
	}
	folderErr := err
	o, err := ownerBy(spec, root, func() (int, int, error) { return key.uid, key.gid, folderErr })
	if err == nil && folderErr == nil && root {
		noted := o
		noted.Warning = "" // it names the spec
		k.note(key, noted)
	}
	return o, err
}

func (k *knownOwners) known(key ownerKey) (Owner, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Sub(k.since).Abs() >= ownersLife {
		k.all = nil
	}
	o, ok := k.all[key]
	return o, ok
}

func (k *knownOwners) note(key ownerKey, o Owner) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all, k.since = map[ownerKey]Owner{}, k.now()
	}
	k.all[key] = o
}
