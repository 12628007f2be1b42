"""Take in networks from elsewhere: read their weights safely, measure how they may be run, and describe them."""
