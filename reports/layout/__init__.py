"""What tables and figures share: which results are one row, what rows are called, grids."""
