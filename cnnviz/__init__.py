"""See what a convolutional network sees, and whether it is well.

Every public name is imported when it is first used, so that `import cnnviz` costs nothing and torch
is loaded only by what needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach
from cnnviz.views import VIEWS

if TYPE_CHECKING:
    from cnnviz.datasets import Dataset as Dataset
    from cnnviz.datasets import open_dataset as open_dataset
    from cnnviz.datasets.shapes import Shapes as Shapes
    from cnnviz.errors import CnnvizError as CnnvizError
    from cnnviz.evaluation import ClassifierEvaluation as ClassifierEvaluation
    from cnnviz.evaluation import ErrorAnalysis as ErrorAnalysis
    from cnnviz.evaluation import error_analysis as error_analysis
    from cnnviz.evaluation import evaluate_classifier as evaluate_classifier
    from cnnviz.explorer import explore as explore
    from cnnviz.gradients.monitor.gradient_monitor import GradientMonitor as GradientMonitor
    from cnnviz.heatmaps.heatmap import Heatmap as Heatmap
    from cnnviz.images import ArrayPreprocessing as ArrayPreprocessing
    from cnnviz.images import Photo as Photo
    from cnnviz.images import Preprocessing as Preprocessing
    from cnnviz.installation import doctor as doctor
    from cnnviz.lectures import lecture as lecture
    from cnnviz.models import Model as Model
    from cnnviz.models import OutputKind as OutputKind
    from cnnviz.models import load as load
    from cnnviz.models.called_network import IMAGE as IMAGE
    from cnnviz.passes.captured import Capture as Capture
    from cnnviz.passes.captures import capture as capture
    from cnnviz.passes.targets import Box as Box
    from cnnviz.passes.targets import Contrast as Contrast
    from cnnviz.passes.targets import Region as Region
    from cnnviz.passes.targets import Similarity as Similarity
    from cnnviz.passes.targets import SumOf as SumOf
    from cnnviz.passes.targets import Value as Value
    from cnnviz.reports import Report as Report
    from cnnviz.reports import report as report
    from cnnviz.results.provenance import Provenance as Provenance
    from cnnviz.results.result import Result as Result
    from cnnviz.units.visualization import Direction as Direction
    from cnnviz.views.activation_functions import activation_functions as activation_functions
    from cnnviz.views.architecture import architecture as architecture
    from cnnviz.views.attribute import attribute as attribute
    from cnnviz.views.augmentation import augmentation as augmentation
    from cnnviz.views.cam import cam as cam
    from cnnviz.views.challenges import challenges as challenges
    from cnnviz.views.compare import compare as compare
    from cnnviz.views.convolve import convolve as convolve
    from cnnviz.views.convolve_signals import convolve_signals as convolve_signals
    from cnnviz.views.deconvnet import deconvnet as deconvnet
    from cnnviz.views.equivariance import equivariance as equivariance
    from cnnviz.views.explanations import explanations as explanations
    from cnnviz.views.faithfulness import faithfulness as faithfulness
    from cnnviz.views.famous_networks import famous_networks as famous_networks
    from cnnviz.views.feature_maps import feature_maps as feature_maps
    from cnnviz.views.feature_visualization import feature_visualization as feature_visualization
    from cnnviz.views.filters import filters as filters
    from cnnviz.views.gradient_flow import gradient_flow as gradient_flow
    from cnnviz.views.gradient_whiteness import gradient_whiteness as gradient_whiteness
    from cnnviz.views.hierarchy import hierarchy as hierarchy
    from cnnviz.views.invariance import invariance as invariance
    from cnnviz.views.localisation import localisation as localisation
    from cnnviz.views.loss_landscape import loss_landscape as loss_landscape
    from cnnviz.views.losses import losses as losses
    from cnnviz.views.network_diagram import network_diagram as network_diagram
    from cnnviz.views.normalization import normalization as normalization
    from cnnviz.views.occlusion import occlusion as occlusion
    from cnnviz.views.optimizers import optimizers as optimizers
    from cnnviz.views.overfitting import overfitting as overfitting
    from cnnviz.views.pixels import pixels as pixels
    from cnnviz.views.pooling import pooling as pooling
    from cnnviz.views.predictions import predictions as predictions
    from cnnviz.views.receptive_field import receptive_field as receptive_field
    from cnnviz.views.skip_connections import skip_connections as skip_connections
    from cnnviz.views.softmax import softmax as softmax
    from cnnviz.views.top_activations import top_activations as top_activations
    from cnnviz.views.training_history import training_history as training_history
    from cnnviz.views.transfer_learning import transfer_learning as transfer_learning
    from cnnviz.views.weight_sharing import weight_sharing as weight_sharing

_HOMES = {
    "ArrayPreprocessing": "cnnviz.images",
    "IMAGE": "cnnviz.models.called_network",
    "Box": "cnnviz.passes.targets",
    "Capture": "cnnviz.passes.captured",
    "ClassifierEvaluation": "cnnviz.evaluation",
    "CnnvizError": "cnnviz.errors",
    "Contrast": "cnnviz.passes.targets",
    "Dataset": "cnnviz.datasets",
    "Direction": "cnnviz.units.visualization",
    "ErrorAnalysis": "cnnviz.evaluation",
    "GradientMonitor": "cnnviz.gradients.monitor.gradient_monitor",
    "Heatmap": "cnnviz.heatmaps.heatmap",
    "Model": "cnnviz.models",
    "OutputKind": "cnnviz.models",
    "Photo": "cnnviz.images",
    "Preprocessing": "cnnviz.images",
    "Provenance": "cnnviz.results.provenance",
    "Region": "cnnviz.passes.targets",
    "Report": "cnnviz.reports",
    "Result": "cnnviz.results.result",
    "Shapes": "cnnviz.datasets.shapes",
    "Similarity": "cnnviz.passes.targets",
    "SumOf": "cnnviz.passes.targets",
    "Value": "cnnviz.passes.targets",
    "capture": "cnnviz.passes.captures",
    "doctor": "cnnviz.installation",
    "error_analysis": "cnnviz.evaluation",
    "evaluate_classifier": "cnnviz.evaluation",
    "explore": "cnnviz.explorer",
    "lecture": "cnnviz.lectures",
    "load": "cnnviz.models",
    "open_dataset": "cnnviz.datasets",
    "report": "cnnviz.reports",
    **{view.name: f"cnnviz.views.{view.name}" for view in VIEWS},
}

__version__ = "0.1.0"
__all__ = [
    "IMAGE",
    "ArrayPreprocessing",
    "Box",
    "Capture",
    "ClassifierEvaluation",
    "CnnvizError",
    "Contrast",
    "Dataset",
    "Direction",
    "ErrorAnalysis",
    "GradientMonitor",
    "Heatmap",
    "Model",
    "OutputKind",
    "Photo",
    "Preprocessing",
    "Provenance",
    "Region",
    "Report",
    "Result",
    "Shapes",
    "Similarity",
    "SumOf",
    "Value",
    "activation_functions",
    "architecture",
    "attribute",
    "augmentation",
    "cam",
    "capture",
    "challenges",
    "compare",
    "convolve",
    "convolve_signals",
    "deconvnet",
    "doctor",
    "equivariance",
    "error_analysis",
    "evaluate_classifier",
    "explanations",
    "explore",
    "faithfulness",
    "famous_networks",
    "feature_maps",
    "feature_visualization",
    "filters",
    "gradient_flow",
    "gradient_whiteness",
    "hierarchy",
    "invariance",
    "lecture",
    "load",
    "localisation",
    "loss_landscape",
    "losses",
    "network_diagram",
    "normalization",
    "occlusion",
    "open_dataset",
    "optimizers",
    "overfitting",
    "pixels",
    "pooling",
    "predictions",
    "receptive_field",
    "report",
    "skip_connections",
    "softmax",
    "top_activations",
    "training_history",
    "transfer_learning",
    "weight_sharing",
]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
