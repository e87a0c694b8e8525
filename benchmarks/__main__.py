"""Command line, see the package."""

from __future__ import annotations

import argparse
import contextlib
import io
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from tabulate import tabulate

from benchmarks import cases, protocol
from benchmarks.collect import FILES, collect
from benchmarks.loading import BATCH, BATCHES, PHOTO, loading
from benchmarks.measure import Ratio, multiply_rate
from benchmarks.memory import peak_of_step
from benchmarks.subjects import SIZES, make_files
from promptkit import manifest

KINDS = ("text", "step", "eval", "memory", "load", "protocol", "collect")
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (all)")
    parser.add_argument("--model", choices=tuple(SIZES), default="ViT-B/16")
    parser.add_argument("--classes", default="100", help="numbers of classes, with commas")
    parser.add_argument(
        "--repeats", type=int, default=5, help="timings of each way; seeds of kind protocol"
    )
    parser.add_argument("--methods", default="", help="of step and protocol, with commas (all)")
    parser.add_argument(
        "--reference-to", type=int, default=100, metavar="C",
        help="most classes with which text, eval and memory also run the reference path (100)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"KIND must be one of {', '.join(KINDS)}; got {sorted(unknown)[0]!r}")
    known = {*protocol.METHODS, *(name for name, *_ in cases.STEPS)}
    wrong = set(filter(None, options.methods.split(","))) - known
    if wrong:
        parser.error(f"--methods: there is no {sorted(wrong)[0]!r}")
    rows = []
    rate = multiply_rate()
    for row in all_rows(options, rate):
        rows.append(row)
        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)  # how far it is
    facts = {
        "model": options.model,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "matrix_product_gflops": round(rate / 1e9, 1),
        "repeats": options.repeats,
        "commit": manifest.environment()["git"],
    }
    print(table(rows))
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    if options.json:
        manifest.write_json(options.json, {**facts, "rows": rows})
    return 0


def all_rows(options: argparse.Namespace, rate: float) -> Iterator[dict]:
    """The rows of all kinds."""
    for classes in map(int, options.classes.split(",")):
        yield from measure(options, classes, rate)
    kinds = options.kinds or KINDS
    if "load" in kinds:
        yield loading_row(options.model)
    if "protocol" in kinds:
        methods = options.methods.split(",") if options.methods else protocol.METHODS
        with tempfile.TemporaryDirectory() as folder:
            runs = []
            for name in (name for name in protocol.METHODS if name in methods):
                with _quiet():
                    runs.append(protocol.base_to_new(name, options.repeats, Path(folder)))
                yield protocol.row(f"base-to-new, {name}", runs[-1:])
            if len(runs) > 1:
                yield protocol.row("base-to-new, all of these", runs)
    if "collect" in kinds:
        with tempfile.TemporaryDirectory() as folder:
            ratio = collect(Path(folder), repeats=options.repeats)
        yield _row(f"{FILES:,} result files to a table", 50, ratio)


def loading_row(model: str) -> dict:
    """What an image costs, and how much of the training steps wait for batches."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        make_files(Path(folder), classes=BATCH * BATCHES, tests=1, size=SIZES[model])
        found = loading(model, Path(folder))
    note = f"decoding {found['decode_ms']:.1f} ms of it; " + ", ".join(
        f"a step waits {100 * share:.1f} % with {workers} loading processes"
        for workers, share in found["wait"].items()
    )
    ratio = Ratio(found["image_ms"] / 1e3, None, None, None, None)
    return _row(f"loading one image of {PHOTO[0]} x {PHOTO[1]}", BATCH * BATCHES, ratio, note)


def measure(options: argparse.Namespace, classes: int, rate: float) -> Iterator[dict]:
    """One row a case; `rate` is the machine's, in operations a second."""
    kinds, model, repeats = options.kinds or KINDS, options.model, options.repeats
    reference = classes <= options.reference_to
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with _quiet():
            make_files(root, classes=classes, tests=200, size=SIZES[model])
        if "text" in kinds:
            with _quiet():
                ratio, tokens, operations = cases.text(
                    model, root, repeats=repeats, reference=reference
                )
            used = 100 * operations / rate / ratio.fast_sec
            note = f"{tokens:,} distinct tokens; {used:.0f} % of the machine's rate"
            yield _row("text features, forward + backward", classes, ratio, note)
        if "step" in kinds:
            methods = options.methods.split(",") if options.methods else None
            for name, batch, stored in cases.STEPS:
                if methods and name not in methods:
                    continue
                with _quiet():
                    ratio, profile, rest = cases.step(
                        name, batch, stored, model, root, repeats=repeats
                    )
                note = "stored image features" if stored else "images encoded"
                note += "".join(f"; {kind} {100 * share:.0f} %" for kind, share in profile.items())
                if not stored:
                    note += f"; all but the text {1e3 * rest:,.0f} ms"
                yield _row(f"{name} step, batch {batch}", classes, ratio, note)
        if "eval" in kinds:
            with _quiet():
                ratio, share = cases.evaluation(model, root, repeats=repeats, reference=reference)
            note = f"{100 * share:.1f} % of the bare image encoder's rate"
            yield _row("evaluation, 200 images", classes, ratio, note)

    if "memory" in kinds:
        peaks = [peak_of_step("fast", model, classes)]
        if reference:
            peaks.append(peak_of_step("reference", model, classes))
        note = f"peak {' / '.join(f'{peak / 2**20:,.0f} MiB' for peak in peaks)}"
        row = dict.fromkeys(("fast_ms", "reference_ms", "fast_spread", "reference_spread"))
        ratio = peaks[1] / peaks[0] if reference else None
        row |= {"ratio": ratio, "difference": None, "note": note, "peak_bytes": peaks}
        yield {"what": "memory of a CoOp step, batch 32", "classes": classes, **row}


def _row(what: str, classes: int, ratio: Ratio, note: str = "") -> dict:
    return {
        "what": what,
        "classes": classes,
        "fast_ms": 1e3 * ratio.fast_sec,
        "reference_ms": 1e3 * ratio.reference_sec if ratio.reference_sec else None,
        "ratio": ratio.speedup,
        "fast_spread": ratio.fast_spread,
        "reference_spread": ratio.reference_spread,
        "difference": ratio.difference,
        "note": note,
    }


def table(rows: list[dict]) -> str:
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what trainers print, and their progress bars."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main())
