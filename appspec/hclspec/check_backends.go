package hclspec

import "github.com/wsgid-fleet/wsgid-fleet/appspec"

// backendsBlock is a block that asks for hosts of a region.
const backendsBlock = "backends"

// backends checks what the backends blocks say together.
func (c *checker) backends() {
	s := c.spec
	first := map[string]int{}
	for i, b := range s.Backends {
		at := appspec.IndexPath(backendsBlock+".region", i)
		if _, written := s.Ranges[at]; !written {
			at = appspec.IndexPath(backendsBlock, i)
		}
		if j, twice := first[b.Region]; twice {
			c.fault(at, "the region "+s.Shown(at, appspec.Quote(b.Region))+" is defined twice in backends", "put both counts into one block: write: count = "+itoa(b.Count+s.Backends[j].Count))
			continue
		}
		first[b.Region] = i
	}
}
