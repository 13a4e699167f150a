// Package metrics tells Prometheus of a fleet: a Server reads the fleet anew for each
// scrape, through the function that it is given, and writes it in the form that the
// client asks for.
//
// It is handed plain data (Fleet) and knows neither the daemon nor how masters are
// asked. The numbers of an app begin at 0 with each master; a master that does not
// answer costs its own series.
package metrics
