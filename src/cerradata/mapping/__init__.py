"""Models over whole scenes: plan, predict, merge, write."""
