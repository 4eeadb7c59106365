"""The run folder: schema, reading, writing. Imports no torch."""
