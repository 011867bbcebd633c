"""Boards: partition tables and pin maps, data only."""
