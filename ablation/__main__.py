"""Carries out the study and writes docs/e2mim.md's tables and pictures: `python -m ablation`."""

import argparse
from pathlib import Path

import torch

from ablation.figures import draw_estimates, draw_geometry, trained_features
from ablation.plan import Plan
from ablation.runs import carry_out
from ablation.tables import Tables
from woven.cards import PROJECT, write_between

PAGE = PROJECT / "docs" / "e2mim.md"
PARTS = ("choosing", "tested", "varied", "over_tcp", "stressed")  # in this order
TABLES = ("choices", "contest", "each_set", "views", "varied", "estimate_and_accuracy", "over_tcp",
          "stressed")  # fmt: skip


def marks(table: str) -> tuple[str, str]:
    """The lines of the page between which a table stands."""
    return f"<!-- {table}: bash scripts/ablation.sh -->", f"<!-- end of {table} -->"


def main(argv: list[str] | None = None) -> None:
    """Does what is missing, then writes the page's parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("output/ablation"), help="results")
    parser.add_argument("--root", type=Path, default=Path("output/data"), help="data sets")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose tables are replaced")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS,
                        help="carries these out; all are needed for the page")  # fmt: skip
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # so small are the products; results do not hang on the machine
    plan = Plan(args.root.resolve(), args.output.resolve())
    for part in args.parts:
        carry_out(getattr(plan, part)())
    if tuple(args.parts) != PARTS:
        return
    tables = Tables(plan)
    for table in TABLES:
        write_between(args.page, marks(table), getattr(tables, table)())
    features = trained_features(plan, plan.work / "geometry.npz")
    draw_geometry(plan, features, args.page.with_name("e2mim_geometry.png"))
    draw_estimates(plan, args.page.with_name("e2mim_estimates.png"))
    print(f"Wrote {args.page} and its pictures")


if __name__ == "__main__":
    main()
