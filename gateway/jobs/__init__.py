"""Work that outlasts a request: kept on disk, done when there is room, without a broker."""
