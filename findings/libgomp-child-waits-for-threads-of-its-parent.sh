#!/usr/bin/env bash
# libgomp 12.2.0 (Debian 12: libgomp1 12.2.0-14+deb12u1) with scikit-learn 1.2.1 (python3-sklearn-lib 1.2.1+dfsg-1)
#
# Guess: a model that was loaded and tried out before the fork predicts in the children. Its
# threads are gone there, as all are, and the library makes others: BLAS does so.
# What happens: GCC's OpenMP keeps the threads of a loop for the next one, and knows of no
# forks. A child that comes to a loop waits, for ever and without a CPU, for threads that it
# has not got. A batch that is too small to be parted runs, so that one line predicts and
# a thousand hang. threading.active_count() says 1 all the while.
# omp_pause_resource_all(omp_pause_hard) before the fork lets the threads go: all works then.
# Who is hurt: whoever loads a model once for many workers (gunicorn --preload) and
# warms it up, as guides advise: requests time out, one worker after another.
. "$(dirname "$(readlink -f "$0")")/lib"
debian libgomp1=12.2.0-14+deb12u1 python3-sklearn=1.2.1+dfsg-1 python3-sklearn-lib=1.2.1+dfsg-1 python3-numpy=1:1.24.2-1+deb12u1 \
  python3-scipy=1.10.1-2 python3-joblib=1.2.0-4+deb12u1 python3-threadpoolctl=3.1.0-1 python3-decorator=5.1.1-3 libblas3=3.11.0-2 \
  liblapack3=3.11.0-2 libgfortran5=12.2.0-14+deb12u1 libquadmath0=12.2.0-14+deb12u1 liblbfgsb0=3.0+dfsg.4-1
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/ "$WORK"/root/usr/lib/*/{blas,lapack})
export LD_LIBRARY_PATH OMP_NUM_THREADS=2
cat >probe.py <<'PY'
import ctypes
import os
import signal
import sys
import threading
import numpy
import sklearn
from sklearn.cluster import KMeans

points = numpy.random.RandomState(0).rand(2000, 4)
model = KMeans(5, n_init=1, random_state=0).fit(points)

def child(batch):
    pid = os.fork()
    if not pid:
        signal.alarm(10)  # SIGALRM ends it
        model.predict(batch)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return "hangs" if os.WIFSIGNALED(status) else "predicts"

print(sklearn.__version__)
print("threads that Python knows of:", threading.active_count(), "of", len(os.listdir("/proc/self/task")))
print("a child with one line", child(points[:1]))
print("a child with 2000", child(points))
ctypes.CDLL("libgomp.so.1").omp_pause_resource_all(2)
print("a child with 2000 after the pause", child(points))
PY
expect 'seen' '1.2.1
threads that Python knows of: 1 of 2
a child with one line predicts
a child with 2000 hangs
a child with 2000 after the pause predicts' "$(/usr/bin/python3 probe.py)"
