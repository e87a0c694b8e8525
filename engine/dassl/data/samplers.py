"""Orders in which a loader visits a list of images."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data.sampler import RandomSampler, Sampler, SequentialSampler

from dassl.data.datasets.base_dataset import Datum


def build_sampler(
    sampler_type: str,
    cfg: object = None,
    data_source: Sequence[Datum] | None = None,
    batch_size: int = 32,
    n_domain: int = 0,
    n_ins: int = 16,
) -> Sampler:
    """Build a sampler by name.

    Args:
        sampler_type: RandomSampler, SequentialSampler, RandomDomainSampler, SeqDomainSampler
            or RandomClassSampler.
        cfg: not read; part of the signature that callers know.
        data_source: the images.
        batch_size: images a batch.
        n_domain: domains a batch (RandomDomainSampler); 0 or less: all.
        n_ins: images of a class in a batch (RandomClassSampler).

    Raises:
        ValueError: unknown name, or sizes that do not fit.
    """
    if sampler_type == "RandomSampler":
        return RandomSampler(data_source)
    if sampler_type == "SequentialSampler":
        return SequentialSampler(data_source)
    if sampler_type == "RandomDomainSampler":
        return RandomDomainSampler(data_source, batch_size, n_domain)
    if sampler_type == "SeqDomainSampler":
        return SeqDomainSampler(data_source, batch_size)
    if sampler_type == "RandomClassSampler":
        return RandomClassSampler(data_source, batch_size, n_ins)
    raise ValueError(f"Unknown sampler type: {sampler_type}")


def _indices_by(data_source: Sequence[Datum], field: str) -> dict[int, list[int]]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, item in enumerate(data_source):
        groups[getattr(item, field)].append(index)
    return dict(groups)


def _exactly(length: int, one_pass: Callable[[], list[int]]) -> Iterator[int]:
    """Return `length` indices from as many random passes as that takes.

    Passes differ in length, but a loader must keep the number of batches it announced: trainers
    step their schedule on the last one.
    """
    order: list[int] = []
    while len(order) < length:
        order.extend(one_pass())
    return iter(order[:length])


def _even_share(batch_size: int, n_domain: int) -> int:
    if batch_size % n_domain:
        raise ValueError(
            f"A batch must hold equally many images of each of {n_domain} domains; "
            f"got batch size {batch_size}. Choose a multiple of {n_domain}."
        )
    return batch_size // n_domain


class RandomDomainSampler(Sampler[int]):
    """Each batch: `n_domain` random domains, equally many random images of each.

    An epoch ends when a chosen domain has no full share left.

    Args:
        data_source: the images.
        batch_size: images a batch.
        n_domain: domains a batch; 0 or less: all.
    """

    def __init__(self, data_source: Sequence[Datum], batch_size: int, n_domain: int) -> None:
        self.data_source = data_source
        self._groups = _indices_by(data_source, "domain")
        if n_domain > len(self._groups):
            raise ValueError(
                f"N_DOMAIN is {n_domain}, but the data have {len(self._groups)} domains. "
                "Lower it, or set 0 for all."
            )
        self.n_domain = n_domain if n_domain > 0 else len(self._groups)
        self.n_img_per_domain = _even_share(batch_size, self.n_domain)
        self.batch_size = batch_size
        self.length = len(self._one_pass())
        if self.length == 0:
            raise ValueError(
                f"A batch needs {self.n_img_per_domain} images of each domain; one domain has "
                "fewer. Lower BATCH_SIZE or raise N_DOMAIN."
            )

    def __iter__(self) -> Iterator[int]:
        return _exactly(self.length, self._one_pass)

    def __len__(self) -> int:
        return self.length

    def _one_pass(self) -> list[int]:
        groups = {domain: list(indices) for domain, indices in self._groups.items()}
        order: list[int] = []
        while True:
            chosen = random.sample(list(groups), self.n_domain)
            if any(len(groups[domain]) < self.n_img_per_domain for domain in chosen):
                return order
            for domain in chosen:
                picked = set(random.sample(groups[domain], self.n_img_per_domain))
                order.extend(i for i in groups[domain] if i in picked)
                groups[domain] = [i for i in groups[domain] if i not in picked]


class SeqDomainSampler(Sampler[int]):
    """Each batch: equally many images of every domain, in the order of the list.

    An epoch ends when a domain has no full share left.

    Args:
        data_source: the images.
        batch_size: images a batch; a multiple of the number of domains.
    """

    def __init__(self, data_source: Sequence[Datum], batch_size: int) -> None:
        self.data_source = data_source
        self._groups = _indices_by(data_source, "domain")
        self.n_domain = len(self._groups)
        self.n_img_per_domain = _even_share(batch_size, self.n_domain)
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[int]:
        share = self.n_img_per_domain
        domains = sorted(self._groups)
        for batch in range(self._num_batches()):
            for domain in domains:
                yield from self._groups[domain][batch * share : (batch + 1) * share]

    def __len__(self) -> int:
        return self._num_batches() * self.batch_size

    def _num_batches(self) -> int:
        return min(len(indices) for indices in self._groups.values()) // self.n_img_per_domain


class RandomClassSampler(Sampler[int]):
    """Each batch: batch_size // n_ins random classes, `n_ins` random images of each.

    Classes with fewer images than `n_ins` are drawn with repetition. An epoch ends when too few
    classes have images left for a batch.

    Args:
        data_source: the images.
        batch_size: images a batch.
        n_ins: images of a class in a batch.

    Raises:
        ValueError: the batch is smaller than `n_ins`, or needs more classes than there are.
    """

    def __init__(self, data_source: Sequence[Datum], batch_size: int, n_ins: int) -> None:
        if batch_size < n_ins:
            raise ValueError(f"BATCH_SIZE must be at least N_INS ({n_ins}); got {batch_size}.")
        self.data_source = data_source
        self.batch_size = batch_size
        self.n_ins = n_ins
        self.ncls_per_batch = batch_size // n_ins
        self._groups = _indices_by(data_source, "label")
        if len(self._groups) < self.ncls_per_batch:
            raise ValueError(
                f"BATCH_SIZE {batch_size} with N_INS {n_ins} needs {self.ncls_per_batch} classes "
                f"a batch, but the data have {len(self._groups)}. Raise N_INS or lower BATCH_SIZE."
            )
        self.length = len(self._one_pass())

    def __iter__(self) -> Iterator[int]:
        return _exactly(self.length, self._one_pass)

    def __len__(self) -> int:
        return self.length

    def _one_pass(self) -> list[int]:
        chunks = {label: self._chunks(indices) for label, indices in self._groups.items()}
        order: list[int] = []
        while len(chunks) >= self.ncls_per_batch:
            for label in random.sample(list(chunks), self.ncls_per_batch):
                order.extend(chunks[label].pop(0))
                if not chunks[label]:
                    del chunks[label]
        return order

    def _chunks(self, indices: list[int]) -> list[list[int]]:
        """Shuffle one class and cut it into shares of `n_ins`; a rest is left out."""
        if len(indices) < self.n_ins:
            return [random.choices(indices, k=self.n_ins)]
        shuffled = random.sample(indices, len(indices))
        full = len(shuffled) // self.n_ins
        return [shuffled[i * self.n_ins : (i + 1) * self.n_ins] for i in range(full)]
