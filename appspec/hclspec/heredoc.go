package hclspec

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// heredocs warns of lines from which <<- does not take the indentation, though its
// specification says all lines: HCL (2.25.0) passes over the one behind ~} at the end of a
// line (findings/hcl-indentation-stays-behind-a-trim-mark.sh). One warning a heredoc.
func heredocs(path string, src []byte) hcl.Diagnostics {
	if strings.HasSuffix(path, ".json") || !bytes.Contains(src, []byte("<<-")) || !bytes.Contains(src, []byte("~}")) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos) // it was parsed: nothing is wrong with it
	var (
		found hcl.Diagnostics
		open  []bool // by quote or heredoc: warn of it
	)
	for i, t := range tokens {
		top := len(open) - 1
		switch t.Type {
		case hclsyntax.TokenOHeredoc:
			open = append(open, bytes.HasPrefix(t.Bytes, []byte("<<-")))
		case hclsyntax.TokenOQuote:
			open = append(open, false)
		case hclsyntax.TokenCHeredoc, hclsyntax.TokenCQuote:
			open = open[:max(top, 0)]
		case hclsyntax.TokenTemplateSeqEnd:
			if top < 0 || !open[top] || !bytes.HasPrefix(t.Bytes, []byte("~")) || i+2 >= len(tokens) {
				continue
			}
			end, line := tokens[i+1], tokens[i+2]
			if end.Type == hclsyntax.TokenStringLit && len(bytes.TrimSpace(end.Bytes)) == 0 && bytes.HasSuffix(end.Bytes, []byte("\n")) &&
				line.Type == hclsyntax.TokenStringLit && bytes.HasPrefix(line.Bytes, []byte(" ")) &&
				len(bytes.Trim(line.Bytes, " \n")) > 0 {
				open[top] = false
				found = append(found, explain.Warning(line.Range, "the indentation of this line stays in the text: <<- takes none off behind ~}",
					"write the text at the margin of the file, as with <<EOT, or leave out the ~"))
			}
		default:
		}
	}
	return found
}
