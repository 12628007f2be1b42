"""Measure the networks and the pipeline; `python -m bench` writes bench/results/*.json and RESULTS.md."""
