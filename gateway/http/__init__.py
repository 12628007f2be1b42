"""HTTP with callers: the server, and what applies to every request of any route."""
