package facts

// Setting is a gunicorn setting with where it stands.
type Setting struct {
	List []string
	Was  string
	At   Position
}

// Value is the last value of the setting.
func (s Setting) Value() string {
	if len(s.List) == 0 {
		return ""
	}
	return s.List[len(s.List)-1]
}
