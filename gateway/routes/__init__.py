"""The routes: what callers can ask for, and how it is answered."""
