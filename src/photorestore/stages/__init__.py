"""The stages of the pipeline, a folder for each, and the table of them. No HTTP here."""
