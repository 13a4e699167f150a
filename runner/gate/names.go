package gate

import "slices"

// Names are those that an app answers for, as its master knows them. They are not changed
// once they are made.
type Names struct {
	table          *Table
	hosts, foreign []string
	others         bool
}

const (
	ourName     = "ours"
	foreignName = "foreign"
)

// NewNames makes them of an app's hosts. foreign are those of other apps that would be among
// them, by a wildcard or where the app answers for all other names.
func NewNames(hosts, foreign []string, others bool) *Names {
	names := make(map[string]string, len(hosts)+len(foreign))
	for _, h := range foreign {
		names[h] = foreignName
	}
	for _, h := range hosts {
		names[h] = ourName
	}
	all := ""
	if others {
		all = ourName
	}
	return &Names{NewTable(names, all), hosts, foreign, others}
}

// Answer tells whether a host, as a client sends it, is the app's. A request that names none
// is for whom its connection was made.
func (n *Names) Answer(host []byte) bool {
	return len(host) == 0 || n.table.Lookup(host) == ourName
}

// Are tells whether they are those that NewNames would make.
func (n *Names) Are(hosts, foreign []string, others bool) bool {
	return n != nil && n.others == others && slices.Equal(n.hosts, hosts) && slices.Equal(n.foreign, foreign)
}
