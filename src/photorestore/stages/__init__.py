"""The stages of the pipeline: behaviour, no HTTP. One file per stage, and the table of them."""
