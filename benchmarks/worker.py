"""The other end of `harness.in_fresh_process`: does one thing for one case and prints its JSON."""

from __future__ import annotations

import json
import sys
import warnings

from benchmarks import harness
from benchmarks.cases import find


def main() -> None:
    what, name, contestant = sys.argv[1:4]
    warnings.filterwarnings("ignore")
    case = find(name)
    if what == "measure":
        print(json.dumps(harness.measure(case)))
    elif what == "memory":
        print(json.dumps(harness.peak_memory(case, contestant)))
    else:
        print(json.dumps(harness.cold_start(case, contestant)))


if __name__ == "__main__":
    main()
