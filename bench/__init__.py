"""Measure the networks and the pipeline; `python -m bench` writes bench/results/*.json and RESULTS.md."""

import os

# As `backend.launch` tells the service. It is read when torch is loaded, and so has to be there before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
