"""Methods compared over many images: a table of measures with intervals."""

from cnnviz.evaluation.data import EvaluationImage, items
from cnnviz.evaluation.result import Evaluation
from cnnviz.evaluation.run import METHODS, evaluate

__all__ = ["METHODS", "Evaluation", "EvaluationImage", "evaluate", "items"]
