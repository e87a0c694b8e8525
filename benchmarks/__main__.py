"""Command line, see the package."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from tabulate import tabulate

import benchmarks
from benchmarks import cases, protocol
from benchmarks.kinds import BY_CLASSES, ONCE, Request, Row
from benchmarks.measure import multiply_rate
from benchmarks.subjects import DEVICES, PRECISIONS, SIZES
from promptkit.encoders.precision import device_name
from promptkit.runs import manifest
from promptkit.runs.environment import environment

KINDS = (*BY_CLASSES, *ONCE)
METHODS = {*protocol.METHODS, *(name for name, *_ in cases.STEPS)}
HEADERS = (
    "what",
    "classes",
    "fast (ms)",
    "reference (ms)",
    "ratio",
    "spread",
    "difference",
    "note",
)


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints the table and writes it as json."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=benchmarks.__doc__.splitlines()[0]
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (all)")
    parser.add_argument(
        "--model", choices=tuple(SIZES), default="ViT-B/16", help="random weights, but Pocket's"
    )
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="not of protocol")
    parser.add_argument(
        "--classes", type=_counts, default=[100], metavar="N,N", help=f"of {', '.join(BY_CLASSES)}"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="timings of each way; seeds of kind protocol"
    )
    parser.add_argument("--methods", default="", help="of steps and protocol, with commas (all)")
    parser.add_argument(
        "--reference-to", type=int, default=100, metavar="C",
        help="most classes with which the kinds of --classes also run the reference (100)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"KIND must be one of {', '.join(KINDS)}; got {sorted(unknown)[0]!r}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device; use --device cpu")
    if options.device == "cpu" and options.precision == "fp16":
        parser.error("--precision fp16 needs --device cuda; on a CPU use fp32 or bf16")
    wrong = set(filter(None, options.methods.split(","))) - METHODS
    if wrong:
        parser.error(f"--methods: there is no {sorted(wrong)[0]!r}")
    torch.backends.cudnn.benchmark = True  # as train.py does
    torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32: both ways must be equal
    rows = []
    rate = multiply_rate(options.device, PRECISIONS[options.precision])
    for row in measure(options, rate):
        rows.append(row)
        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)  # how far it is
    facts = {
        "model": options.model,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": device_name(torch.device(options.device)),
        "precision": options.precision,
        "torch": torch.__version__,
        "matrix_product_gflops": round(rate / 1e9, 1),
        "repeats": options.repeats,
        "commit": environment()["git"],
    }
    print(table(rows))
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    if options.json:
        manifest.save_json({**facts, "rows": rows}, options.json)
    return 0


def measure(options: argparse.Namespace, rate: float) -> Iterator[Row]:
    """The rows of all kinds; `rate` is the machine's, in operations a second."""
    kinds = options.kinds or KINDS
    methods = tuple(filter(None, options.methods.split(",")))

    def request(classes: int) -> Request:
        reference = classes <= options.reference_to
        subject = options.model, options.device, options.precision
        return Request(*subject, classes, options.repeats, reference, rate, methods)

    for classes in options.classes:
        for name in BY_CLASSES:
            if name in kinds:
                yield from BY_CLASSES[name](request(classes))
    for name, (classes, rows) in ONCE.items():
        if name in kinds:
            yield from rows(request(classes))


def _counts(text: str) -> list[int]:
    """Numbers of classes."""
    parts = text.split(",")
    if not all(part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise argparse.ArgumentTypeError(f"must be numbers from 1, with commas; got {text!r}")
    return list(map(int, parts))


def table(rows: list[Row]) -> str:
    """The rows as markdown; spread is (slowest - fastest) / median, of both ways."""
    lines = [
        [
            row["what"], f"{row['classes']:,}", _show("{:,.1f}", row["fast_ms"]),
            _show("{:,.1f}", row["reference_ms"]), _show("{:.1f}", row["ratio"]),
            f"{_show('{:.0%}', row['fast_spread'])} / {_show('{:.0%}', row['reference_spread'])}",
            _show("{:.0e}", row["difference"]), row["note"],
        ]
        for row in rows
    ]  # fmt: skip
    alignment = ("left", *["right"] * 6, "left")
    return tabulate(
        lines, headers=HEADERS, tablefmt="pipe", colalign=alignment, disable_numparse=True
    )


def _show(form: str, value: float | None) -> str:
    return "-" if value is None else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
