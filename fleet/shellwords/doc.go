// Package shellwords cuts command lines into words as a shell does. What a shell would
// do besides, such as filling in variables, is the caller's affair.
package shellwords
