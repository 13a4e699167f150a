package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// named is how many apps a shortage names.
const named = 5

// Shortages says which regions have fewer hosts than apps ask for, and which apps these are, as
// where a region is written otherwise than the hosts have it. Such apps run on the hosts that there
// are, or stay where they run. It is pure.
func Shortages(apps []App, there []Host) (out []string) {
	hosts, all := map[string]int{}, 0
	for _, h := range there {
		if !h.Cordoned {
			hosts[h.Region]++
			all++
		}
	}
	if len(hosts) == 0 { // a fleet that is about to be made
		return nil
	}
	type ask struct {
		region string
		count  int
	}
	asked := map[ask][]string{}
	for _, a := range apps {
		for _, b := range a.Backends {
			have := hosts[b.Region]
			if b.Region == "" {
				have = all
			}
			if !a.Broken && have < b.Count {
				asked[ask{b.Region, b.Count}] = append(asked[ask{b.Region, b.Count}], a.Name)
			}
		}
	}
	var regions []string
	for r := range hosts {
		if r != "" {
			regions = append(regions, r)
		}
	}
	slices.Sort(regions)
	keys := slices.SortedFunc(maps.Keys(asked), func(a, b ask) int {
		return strings.Compare(fmt.Sprintf("%s %9d", a.region, a.count), fmt.Sprintf("%s %9d", b.region, b.count))
	})
	for _, k := range keys {
		who := appsText(asked[k])
		switch have := hosts[k.region]; {
		case k.region == "":
			out = append(out, fmt.Sprintf("there are %d of the %d hosts that %s", all, k.count, who))
		case have == 0 && len(regions) > 0:
			out = append(out, fmt.Sprintf("no host is in region %q, which %s; hosts are in %s", k.region, who, strings.Join(regions, ", ")))
		case have == 0:
			out = append(out, fmt.Sprintf("no host is in region %q, which %s; no host has a region (run --region)", k.region, who))
		default:
			out = append(out, fmt.Sprintf("region %q has %d of the %d hosts that %s", k.region, have, k.count, who))
		}
	}
	return out
}

// appsText names who asks.
func appsText(apps []string) string {
	slices.Sort(apps)
	apps = slices.Compact(apps)
	switch n := len(apps); {
	case n == 1:
		return "app " + apps[0] + " asks for"
	case n > named:
		return fmt.Sprintf("apps %s and %d more ask for", strings.Join(apps[:named], ", "), n-named)
	default:
		return "apps " + strings.Join(apps, ", ") + " ask for"
	}
}
