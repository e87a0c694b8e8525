"""From runs to tables: which results are compared, what is said of them."""
