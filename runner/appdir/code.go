package appdir

import "github.com/wsgid-fleet/wsgid-fleet/appspec"

// Whose the code is. Somebody may put it there for the app's user: a deployer, or
// root who installs it. The app reads it, and the fleet writes beside it.

// isCheckout finds out whether the code is the app folder itself, where the spec
// does not say.
func (r *repair) isCheckout() error {
	if r.checkout || r.spec.Code != "" || r.spec.Release != nil {
		return nil
	}
	if _, err := Lstat(r.fs, "/"+AppDir); err == nil {
		return nil // which the names below may not reach: they are not all of a large folder
	}
	names, err := r.names("/")
	if err != nil {
		return err
	}
	r.checkout = appspec.IsCheckout(names)
	return nil
}

// takes tells whether a folder of the code is given to the app's user. Where the spec
// does not say: what belongs to root or to nobody was left by an installer, or by
// nobody who will come back for it; what is somebody else's stays his, and so does a
// checkout, whoever made it.
func (r *repair) takes(uid int) bool {
	switch {
	case r.spec.OwnCode != nil:
		return *r.spec.OwnCode
	case r.checkout:
		return false
	}
	return uid == 0 || uid == overflowUser || uid == r.owner.UID
}
