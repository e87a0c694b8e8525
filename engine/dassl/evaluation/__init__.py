"""Evaluators, by name."""

from dassl.evaluation.build import EVALUATOR_REGISTRY, build_evaluator
from dassl.evaluation.evaluator import Classification, EvaluatorBase

__all__ = ["Classification", "EVALUATOR_REGISTRY", "EvaluatorBase", "build_evaluator"]
