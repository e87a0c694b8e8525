"""The kinds of measurement, each a generator of rows for the table."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from torch._inductor import config as inductor

from benchmarks import cases, launches, protocol, training_store
from benchmarks.collect import CLASSES, FILES, collect
from benchmarks.keeping import keeping
from benchmarks.loading import BATCH, BATCHES, LARGE, PHOTO, drafting, loading
from benchmarks.measure import Ratio
from benchmarks.memory import peak_of_step
from benchmarks.subjects import SIZES, Subject, make_files

Row = dict[str, object]
TEST_IMAGES = 200, 1000  # of an evaluation: at least and at most; as many as classes between


@dataclass(frozen=True)
class Request:
    """What is measured.

    Attributes:
        model, device, precision: of `Subject`.
        classes: C; the kinds of ONCE have their own.
        repeats: timings of each way; seeds of a protocol.
        reference: whether the reference path runs too, where it may be left out.
        rate: the machine's, in floating-point operations a second.
        methods: these alone; all if it is empty.
    """

    model: str
    device: str
    precision: str
    classes: int
    repeats: int
    reference: bool
    rate: float
    methods: tuple[str, ...] = ()

    def wants(self, method: str) -> bool:
        """Whether a method is measured."""
        return not self.methods or method in self.methods


@contextlib.contextmanager
def _subject(request: Request, tests: int = 1) -> Iterator[Subject]:
    """With `tests` test images. In silence: trainers print, and show progress."""
    silence = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        root, size = Path(folder), SIZES[request.model]
        make_files(root, classes=request.classes, tests=tests, size=size)
        yield Subject(request.model, root, request.device, request.precision)


def _text(request: Request) -> Iterator[Row]:
    with _subject(request) as subject:
        ratio, tokens, operations = cases.text(
            subject, repeats=request.repeats, reference=request.reference
        )
    used = 100 * operations / request.rate / ratio.fast_sec
    note = f"{tokens:,} distinct tokens; {used:.0f} % of the machine's rate"
    yield row("text features, forward + backward", request.classes, ratio, note)


def _compile(request: Request) -> Iterator[Row]:
    for name, batch, stored in cases.STEPS:
        if not request.wants(name):
            continue
        inductor.cpp.enable_kernel_profile = True
        with _subject(request) as subject:
            ratio, first, program, plain = cases.compiled_step(
                name, batch, stored, subject, repeats=request.repeats
            )
            kernels = ""
            if request.device == "cpu":  # whose programs have kernels with names
                kernels = f"{launches.kernels_of_program(program):,} kernels for "
                kernels += f"{launches.counted(plain).kernels:,}; "
        gain = ratio.reference_sec - ratio.fast_sec
        pays = f"pays after {first / gain:,.0f} steps" if gain > 0 else "never pays here"
        note = f"the reference is the step, not compiled; {kernels}compiling {first:.1f} s, {pays}"
        yield row(f"{name} step, batch {batch}, compiled", request.classes, ratio, note)


def _launches(request: Request) -> Iterator[Row]:
    for name, batch, stored in cases.STEPS:
        if not request.wants(name):
            continue
        with _subject(request) as subject:
            ratio, found = launches.of_step(
                name, batch, stored, subject, repeats=request.repeats, reference=request.reference
            )
        note, where = "; ".join(map(str, found)), "" if stored else " on images"
        yield {
            **row(f"{name} step{where}, batch {batch}, counted", request.classes, ratio, note),
            "counted": [asdict(counted) for counted in found],
        }


def _step(request: Request) -> Iterator[Row]:
    for name, batch, stored in cases.STEPS:
        if not request.wants(name):
            continue
        with _subject(request) as subject:
            ratio, profile, rest = cases.step(
                name, batch, stored, subject, repeats=request.repeats, reference=request.reference
            )
        note = "stored image features" if stored else "images encoded"
        note += "".join(f"; {kind} {100 * share:.0f} %" for kind, share in profile.items())
        if not stored:
            note += f"; all but the text {1e3 * rest:,.0f} ms"
        yield row(f"{name} step, batch {batch}", request.classes, ratio, note)


def _evaluation(request: Request) -> Iterator[Row]:
    least, most = TEST_IMAGES
    with _subject(request, tests=min(max(least, request.classes), most)) as subject:
        ratio, images, share = cases.evaluation(
            subject, repeats=request.repeats, reference=request.reference
        )
    rate = images / ratio.fast_sec
    note = f"{rate:,.1f} images/s, {100 * share:.1f} % of the bare image encoder's rate"
    yield row(f"evaluation of {images:,} images", request.classes, ratio, note)


def _keep(request: Request) -> Iterator[Row]:
    least, most = TEST_IMAGES
    with _subject(request, tests=min(max(least, request.classes), most)) as subject:
        ratio, images, size = keeping(subject, repeats=request.repeats)
    more = 100 * (ratio.fast_sec / ratio.reference_sec - 1)
    note = f"the reference keeps none; {more:+.1f} % time, {size / 1e3:,.0f} kB"
    yield row(f"test of {images:,} base images, logits kept", request.classes, ratio, note)


def _memory(request: Request) -> Iterator[Row]:
    fields = {"model": request.model, "device": request.device, "precision": request.precision}
    ways = ("fast", "reference") if request.reference else ("fast",)
    peaks = [peak_of_step(way, request.classes, **fields) for way in ways]
    note = f"peak {' / '.join(f'{peak / 2**20:,.0f} MiB' for peak in peaks)}"
    made = row("memory of a CoOp step, batch 32", request.classes, None, note)
    ratio = peaks[1] / peaks[0] if request.reference else None
    yield {**made, "ratio": ratio, "peak_bytes": peaks}


def _load(request: Request) -> Iterator[Row]:
    with _subject(request) as subject:
        found, draft = loading(subject), drafting(subject, repeats=request.repeats)
    note = f"decoding {1e3 * found.decode_sec:.1f} ms of it; " + ", ".join(
        f"{BATCHES} steps wait {100 * share:.1f} % with {workers} loading processes"
        for workers, share in found.waits.items()
    )
    ratio = Ratio(found.image_sec, None, None, None, None)
    yield row(f"loading one image of {PHOTO[0]} x {PHOTO[1]}", request.classes, ratio, note)
    note = (
        f"pixels differ by {draft.levels:.2f} of 255 levels; by {draft.bilinear_levels:.2f} "
        "with bilinear in place of bicubic interpolation"
    )
    yield row(
        f"INPUT.DRAFT, test image of {LARGE[0]} x {LARGE[1]}", request.classes, draft.ratio, note
    )


def _protocol(request: Request) -> Iterator[Row]:
    runs = []
    with tempfile.TemporaryDirectory() as data:
        for name in filter(request.wants, protocol.METHODS):
            with _subject(request):
                made = protocol.base_to_new(
                    name, request.repeats, Path(data), device=request.device
                )
            runs.append(made)
            yield protocol.row(f"base-to-new, {name}", runs[-1:])
    if len(runs) > 1:
        yield protocol.row("base-to-new, all of these", runs)


def _store(request: Request) -> Iterator[Row]:
    with _subject(request) as subject:
        rows = list(training_store.measured(subject, request.repeats))
    for what, ratio, note in rows:
        yield row(what, request.classes, ratio, note)


def _collect(request: Request) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        ratio = collect(Path(folder), repeats=request.repeats)
    yield row(f"{FILES:,} result files to a table", request.classes, ratio)


def row(what: str, classes: int, ratio: Ratio | None, note: str = "") -> Row:
    """One row; without a ratio its times are empty."""
    ratio = ratio or Ratio(None, None, None, None, None)
    return {
        "what": what,
        "classes": classes,
        "fast_ms": _ms(ratio.fast_sec),
        "reference_ms": _ms(ratio.reference_sec),
        "ratio": ratio.speedup,
        "fast_spread": ratio.fast_spread,
        "reference_spread": ratio.reference_spread,
        "difference": ratio.difference,
        "note": note,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


# Measured for every number of classes that is asked for; and those with one of their own.
BY_CLASSES: dict[str, Callable[[Request], Iterator[Row]]] = {
    "text": _text,
    "compile": _compile,
    "launches": _launches,
    "step": _step,
    "eval": _evaluation,
    "keep": _keep,
    "memory": _memory,
}
ONCE: dict[str, tuple[int, Callable[[Request], Iterator[Row]]]] = {
    "load": (BATCH * BATCHES, _load),
    "protocol": (protocol.CLASSES, _protocol),
    "store": (training_store.CLASSES, _store),
    "collect": (CLASSES, _collect),
}
