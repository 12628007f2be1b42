"""Federated training: sites improve a network together, each on pictures that it keeps, by Flower.

    python -m training.federated --help

Server, sites and experiment need Flower's environment, which `make flower` makes (docs/federated.md). Flower reports
its use to its makers and looks for newer releases by default; here it does neither, and logs warnings only, unless
the environment says otherwise.
"""

import os

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("FLWR_LOG_LEVEL", "WARNING")
