import sys
if __name__ == "__main__":  # and not where multiprocessing runs it once more, in a child of the application
    sys.path.insert(0, __file__.rpartition("/")[0])
    if sys.version_info < (3, 8) or sys.implementation.name != "cpython": __import__("wsgid_unfit")
    from wsgid import worker
    worker.main(sys.path.pop(0))
