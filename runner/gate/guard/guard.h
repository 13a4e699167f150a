struct guard {
	int gate;	  // pidfd of the gate
	int folder;	  // descriptor that ways[0] leads through
	int most;	  // no descriptor is as high
	int patience;	  // seconds to find a next gate
	const char *ways[2];	  // paths of the socket of the next gate; the second may be null
	char *title;	  // the start of its first argument, to be overwritten
	const char *name; // by this, of the same length
	const char *comm;
	const void *message; // by which a connection is passed; bytes 1 to 8 are its number
	int length;
};

int guard_start(const struct guard *g);
