package fleet

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// sharedNames is how many apps a warning names.
const sharedNames = 5

// sharedUsers says which enabled apps run as one user, a line a user: nothing
// keeps them from each other's secrets. An ordinary user's apps are all his.
func sharedUsers(set *hclspec.Set) []string {
	if set == nil || os.Geteuid() != 0 {
		return nil
	}
	byName := map[string]appdir.Owner{} // lookups of the user database cost the most
	apps, names := map[int][]string{}, map[int]string{}
	for _, spec := range set.Specs {
		if !spec.Enabled || spec.Gate != nil {
			continue
		}
		owner, known := byName[spec.User]
		if !known || spec.User == "" {
			var err error
			if owner, err = appdir.FolderOwner(spec, true); err != nil {
				continue // the plan of the app says it
			}
			byName[spec.User] = owner
		}
		apps[owner.UID] = append(apps[owner.UID], spec.Name)
		names[owner.UID] = owner.Name
	}
	var out []string
	for uid, list := range apps {
		if len(list) < 2 {
			continue
		}
		slices.Sort(list)
		shown := strings.Join(list, ", ")
		if n := len(list) - sharedNames; n > 0 {
			shown = fmt.Sprintf("%s and %d more", strings.Join(list[:sharedNames], ", "), n)
		}
		out = append(out, fmt.Sprintf("apps %s run as the same user, %s: each can read the files and secrets of the others; give each a user of its own: user = \"…\"", shown, names[uid]))
	}
	slices.Sort(out)
	return out
}
