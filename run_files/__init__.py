"""What a run leaves in its folder: names, schemas, checks; writers and readers both import it.

This file and `dotted` need the standard library alone, the others also msgspec, `logits` numpy.
"""

SCHEMA = 1  # of result.json
RUN, RESULT, CURVE, LOG = "run.json", "result.json", "curve.json", "log.txt"
LOGITS = "logits.npz"
