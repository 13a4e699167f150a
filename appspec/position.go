package appspec

import "github.com/hashicorp/hcl/v2"

// rangeOf is a range of the library as a spec keeps it.
func rangeOf(r hcl.Range) Range {
	return Range{Filename: r.Filename, Start: Pos(r.Start), End: Pos(r.End)}
}

// hclRange is a range of a spec for a diagnostic.
func hclRange(r Range) hcl.Range {
	return hcl.Range{Filename: r.Filename, Start: hcl.Pos(r.Start), End: hcl.Pos(r.End)}
}
