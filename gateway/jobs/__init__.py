"""Jobs: restorations that outlast a request, kept on disk and run when there is room, without a broker."""
