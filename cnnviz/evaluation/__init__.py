"""Methods compared over many images, and where a network is wrong among them."""

from cnnviz.evaluation.data import EvaluationImage, items
from cnnviz.evaluation.mistakes import ErrorAnalysis, error_analysis
from cnnviz.evaluation.result import Evaluation
from cnnviz.evaluation.run import METHODS, evaluate

__all__ = [
    "METHODS",
    "ErrorAnalysis",
    "Evaluation",
    "EvaluationImage",
    "error_analysis",
    "evaluate",
    "items",
]
