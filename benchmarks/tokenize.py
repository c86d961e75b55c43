"""Speed of tokenising; the benchmark itself is in ``tokenising.py``.

Python has a module of the name of this file. Scripts beside it that import that one find this, which gives them Python's.

    python benchmarks/tokenize.py [--seconds 240] [--processes 2]
"""
import sys

if __name__ == "__main__":
    sys.path[0] = __file__.rpartition("benchmarks")[0] or "."
    from benchmarks.tokenising import main

    main()
else:
    import importlib.util
    import sysconfig

    _spec = importlib.util.spec_from_file_location("tokenize", f"{sysconfig.get_path('stdlib')}/tokenize.py")
    sys.modules["tokenize"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["tokenize"])
