package appspec

import "github.com/hashicorp/hcl/v2"

func (f *file) checkCost(hcl.Expression) *hcl.Diagnostic { return nil }
