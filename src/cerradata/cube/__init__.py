"""Scenes brought onto one aligned, composited stack on a target grid."""
