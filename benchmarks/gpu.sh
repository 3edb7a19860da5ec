#!/usr/bin/env bash
# Everything that only a GPU can tell, in at most eight minutes and without a network: JSON on
# standard output. `--device cpu --small` runs the same sections on a CPU, to know that they work.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH="$PWD/src:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" benchmarks/gpu.py "$@"
