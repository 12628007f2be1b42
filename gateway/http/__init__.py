"""HTTP with callers: the server and what every request passes, whatever it asks for."""
