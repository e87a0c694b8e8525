"""Turns result files into tables and plots; reads files only and imports nothing else of ours."""
