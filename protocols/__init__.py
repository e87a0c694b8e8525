"""What a comparison is made of: protocols as data, and a planner that carries their runs out.

A protocol becomes a list of cells (cell.py), each one run of `train.py` in its own folder. What a
cell's state is stands in its folder (state.py); the planner (planner.py) gives cells to a pool of
workers: forked processes here (local_pool.py), or a Ray cluster (ray_pool.py).

Importing this package, and everything that is asked before a run, needs no torch.
"""
