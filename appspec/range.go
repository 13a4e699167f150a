package appspec

// Range is a piece of a spec file.
type Range struct {
	Filename   string
	Start, End Pos // End is behind the last byte
}

// Pos is a place in a file.
type Pos struct {
	Line, Column int // from 1
	Byte         int // from 0
}
