"""`plan.yaml`: a whole comparison in a few lines.

    output: output/night        # DATA and OUTPUT of the environment where it does not say
    protocols: [base2new, few_shot]
    methods: [CoOp, E2MIM]      # or prompts, adapters, all
    datasets: woven             # or names; or by protocol {base2new: woven, few_shot: [woven_dtd]}
    shots: [1, 16]
    seeds: [1, 2, 3]
    grids:                      # every combination, each in a folder of its own
      OPTIM.LR: [0.002, 0.02]
    overrides:                  # of one method; a list is a grid of that method
      CoOp: {TRAINER.COOP.N_CTX: [4, 16], OPTIM.MAX_EPOCH: 10}
    recipes: {CoOp: woven}      # in place of the one that the rules choose

Also `data`, `source`, `strict` and `import`. Values are text, as they stand, as on a command line.
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from protocols.asked import Asked
from protocols.data_sets import OF
from protocols.methods import groups, is_zero_shot
from protocols.places import refuse_twice
from protocols.request import Request, check_pairs, requested

KEYS = ("data", "datasets", "grids", "import", "methods", "output", "overrides", "protocols",
        "recipes", "seeds", "shots", "source", "strict")  # fmt: skip
SWITCHES = {"true": True, "yes": True, "false": False, "no": False}
ITS_OWN = ("SEEDS", "SHOTS", "STRICT")  # of the environment, for nothing here
NEEDED = ("datasets", "methods", "protocols")
SAME = {"data": "DATA", "output": "OUTPUT", "source": "SOURCE", "import": "IMPORT"}


class _Loader(yaml.BaseLoader):
    """All values are text; a key that is there twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """As the base class, after a look at the keys."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        refuse_twice("a mapping", keys)
        return super().construct_mapping(node, deep=deep)


def read_plan(path: str, environment: Mapping[str, str]) -> Asked:
    """The requests of a plan.

    Args:
        path: of the file.
        environment: where the plan does not say; else it counts for nothing.

    Raises:
        ValueError: it cannot be read, or something of it has no meaning; it names the file.
    """
    try:
        tree = yaml.load(Path(path).read_bytes(), _Loader)
        return _asked(_checked(tree), environment)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error


def _checked(tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ValueError(f"must hold KEY: VALUE pairs; got {type(tree).__name__}")
    for key in tree:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            more = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown key {key!r}.{more} Known: {', '.join(KEYS)}")
    missing = [key for key in NEEDED if not tree.get(key)]
    if missing:
        raise ValueError(f"must say {', '.join(missing)}")
    for key in ("grids", "overrides", "recipes"):
        if not isinstance(tree.setdefault(key, {}), dict):
            raise ValueError(f"{key} must be KEY: VALUE pairs; got {tree[key]!r}")
    for key in (*SAME, "strict"):
        if not isinstance(tree.get(key, ""), str):
            raise ValueError(f"{key} must be text; got {tree[key]!r}")
    return tree


def _words(value: Any, key: str) -> list[str]:
    """A list, or text with spaces or commas between."""
    words = value if isinstance(value, list) else str(value).replace(",", " ").split()
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{key} must be a list of names or numbers; got {value!r}")
    return words


def _asked(tree: dict[str, Any], environment: Mapping[str, str]) -> Asked:
    plan_environment = {name: environment[name] for name in SAME.values() if name in environment}
    plan_environment |= {SAME[key]: tree[key] for key in SAME if key in tree}
    for key in ("seeds", "shots"):
        if key in tree:
            plan_environment[key.upper()] = " ".join(_words(tree[key], key))
    if _is_on("strict", tree.get("strict", "false")):
        plan_environment["STRICT"] = "1"
    output = plan_environment.get("OUTPUT") or "output"
    found = Asked([], output, has_logs=True)
    found.notes += [f"{name}={environment[name]} has no effect on a plan: say {name.lower()} in it"
                    for name in ITS_OWN if environment.get(name)]  # fmt: skip
    methods = _words(tree["methods"], "methods")
    refuse_twice("methods", methods)
    known = {*methods, *(name for word in methods for name in groups("base2new").get(word, ()))}
    known |= {name for word in methods for name in groups("few_shot").get(word, ())}
    for key in ("overrides", "recipes"):
        for name in tree[key]:
            if name not in known:
                raise ValueError(f"{key} of {name}, which is none of the methods of the plan")
    protocols = _words(tree["protocols"], "protocols")
    refuse_twice("protocols", protocols)
    if isinstance(tree["datasets"], dict) and (more := set(tree["datasets"]) - set(protocols)):
        raise ValueError(f"datasets of {' '.join(sorted(more))}, which the plan has not")
    for protocol in protocols:
        if protocol not in OF:
            raise ValueError(f"protocols must be of {' '.join(OF)}; got {protocol!r}")
        datasets = tree["datasets"]
        if isinstance(datasets, dict):
            if protocol not in datasets:
                raise ValueError(f"datasets must name those of {protocol}")
            datasets = datasets[protocol]
        word = ",".join(_words(datasets, "datasets"))
        for trainer in _methods(methods, protocol, found):
            recipe = tree["recipes"].get(trainer, "default")
            request = requested(protocol, [trainer, word, recipe], plan_environment,
                                several_shots=True)  # fmt: skip
            found.requests += _settings(request, tree["grids"], tree["overrides"].get(trainer, {}))
    return found


def _is_on(key: str, text: str) -> bool:
    if text.lower() not in SWITCHES:
        raise ValueError(f"{key} must be one of {', '.join(SWITCHES)}; got {text!r}")
    return SWITCHES[text.lower()]


def _methods(words: list[str], protocol: str, found: Asked) -> Iterator[str]:
    """The methods of a protocol; of those that cannot take part it is said."""
    names = dict.fromkeys(name for word in words for name in groups(protocol).get(word, (word,)))
    for name in names:
        if is_zero_shot(name) and protocol == "few_shot":
            found.notes.append(f"{name} has no shots, so it takes no part in few_shot")
        elif not is_zero_shot(name) and protocol == "zero_shot":
            found.notes.append(f"{name} is trained, so it takes no part in zero_shot")
        else:
            yield name


def _settings(
    request: Request, grids: dict[str, Any], overrides: dict[str, Any]
) -> Iterator[Request]:
    """A request for every combination of values; a folder names those that vary."""
    if not isinstance(overrides, dict):
        raise ValueError(f"overrides of {request.trainer} must be KEY: VALUE pairs")
    values: dict[str, list[str]] = {}
    for key, value in {**grids, **overrides}.items():
        values[key] = value if isinstance(value, list) else [value]
        if not values[key] or not all(isinstance(each, str) for each in values[key]):
            raise ValueError(f"{key} must have a value or a list of them; got {value!r}")
    check_pairs(request.protocol, [word for key in values for word in (key, "")])
    for combination in itertools.product(*values.values()):
        chosen = dict(zip(values, combination, strict=True))
        pairs = tuple(word for pair in chosen.items() for word in pair)
        varied = [f"{key}={chosen[key]}" for key in sorted(values) if len(values[key]) > 1]
        below = re.sub(r"[^\w.=,+-]", "_", ",".join(varied))
        yield replace(request, pairs=(*request.pairs, *pairs), below=f"{below}/" if below else "")
