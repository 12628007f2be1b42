"""What the edge tells of itself: its log and its metrics."""
