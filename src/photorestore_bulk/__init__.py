"""Restore pictures in bulk on Ray: from folders and buckets, each once, with a ledger in Parquet."""
