package appspec

import "strings"

// EnvironmentName is the name of the app that an environment of an app block
// becomes.
func EnvironmentName(app, environment string) string { return app + "-" + environment }

// App is the name of the app block that the spec comes from: of an environment
// not its own.
func (s *Spec) App() string {
	if s.Environment == "" {
		return s.Name
	}
	return strings.TrimSuffix(s.Name, EnvironmentName("", s.Environment))
}

// ValidName tells whether an app can have the name.
func ValidName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return true
}
