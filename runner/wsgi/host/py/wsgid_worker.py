import sys; sys.path.insert(0, __file__.rpartition("/")[0])
from wsgid import worker
worker.main(sys.path.pop(0))
