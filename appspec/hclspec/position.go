package hclspec

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// rangeOf is a range of the library as a spec keeps it.
func rangeOf(r hcl.Range) appspec.Range {
	return appspec.Range{Filename: r.Filename, Start: appspec.Pos(r.Start), End: appspec.Pos(r.End)}
}

// hclRange is a range of a spec for a diagnostic.
func hclRange(r appspec.Range) hcl.Range {
	return hcl.Range{Filename: r.Filename, Start: hcl.Pos(r.Start), End: hcl.Pos(r.End)}
}
