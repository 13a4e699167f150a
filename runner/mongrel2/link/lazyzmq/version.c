/* The version of the header that zmq4 is compiled with. */
#include <zmq.h>

const int wsgid_zmq_header[3] = {ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH};
