"""photorestore restores old and damaged photographs: what ships in every model archive."""
