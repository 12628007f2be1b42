"""The edge's log and its registry of metrics."""
