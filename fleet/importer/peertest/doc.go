// Package peertest runs the real programs beside which tests hold the readers of their
// configurations.
package peertest
