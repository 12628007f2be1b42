"""Face: gives faces their detail back."""
