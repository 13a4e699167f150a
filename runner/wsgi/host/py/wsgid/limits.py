"""Resource limits where the master may not set them: it is root, but lacks
CAP_SYS_RESOURCE."""

import resource
import sys


def apply(wanted):
    names = ("open_files", "processes", "address_space")
    kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS)
    for name, kind, value in zip(names, kinds, wanted):
        if not value:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY and value > hard:
            sys.stderr.write("cannot set limits.%s to %d: the service's own limit is %d\n" % (name, value, hard))
            value = hard
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
