"""What type checkers must see of each view. Checked by `make check`, and never run."""

from typing import Literal, assert_type

from torch import nn

import cnnviz
from cnnviz.explorer import Explorer
from cnnviz.installation import Diagnosis
from cnnviz.views.activation_functions import ActivationFunctions
from cnnviz.views.architecture import Architecture
from cnnviz.views.augmentation import Augmentation
from cnnviz.views.challenges import Challenges
from cnnviz.views.compare import Comparison
from cnnviz.views.convolve import Convolution
from cnnviz.views.convolve_signals import SignalConvolution
from cnnviz.views.deconvnet import Projections
from cnnviz.views.equivariance import Equivariance
from cnnviz.views.explanations import Explanations
from cnnviz.views.faithfulness import Faithfulness
from cnnviz.views.famous_networks import FamousNetworks
from cnnviz.views.feature_maps import FeatureMaps
from cnnviz.views.feature_visualization import FeatureVisualization
from cnnviz.views.filters import FilterGrid
from cnnviz.views.gradient_flow import GradientFlow
from cnnviz.views.gradient_whiteness import GradientWhiteness
from cnnviz.views.hierarchy import Hierarchy
from cnnviz.views.invariance import Invariance
from cnnviz.views.localisation import ObjectLocalisation
from cnnviz.views.loss_landscape import LossLandscape
from cnnviz.views.losses import Losses
from cnnviz.views.network_diagram import NetworkDiagram
from cnnviz.views.normalization import Normalization
from cnnviz.views.occlusion import Occlusion
from cnnviz.views.optimizers import OptimizerPaths
from cnnviz.views.overfitting import Overfitting
from cnnviz.views.pixels import Pixels
from cnnviz.views.pooling import Pooling
from cnnviz.views.predictions import Predictions
from cnnviz.views.receptive_field import EffectiveFields
from cnnviz.views.skip_connections import SkipConnections
from cnnviz.views.softmax import SigmoidLabels, Softmax
from cnnviz.views.top_activations import TopActivations
from cnnviz.views.training_history import TrainingHistory
from cnnviz.views.transfer_learning import TransferLearning
from cnnviz.views.weight_sharing import WeightSharing

PHOTO = "photo.jpg"


def each_view_of_a_capture_returns_its_result(capture: cnnviz.Capture) -> None:
    assert_type(cnnviz.cam(capture), cnnviz.Heatmap)
    assert_type(cnnviz.feature_maps(capture), FeatureMaps)
    assert_type(cnnviz.localisation(capture), ObjectLocalisation)
    assert_type(cnnviz.pooling(capture), Pooling)
    assert_type(cnnviz.predictions(capture), Predictions)
    assert_type(cnnviz.softmax(capture), Softmax | SigmoidLabels)


def each_view_of_a_network_returns_its_result(model: cnnviz.Model) -> None:
    assert_type(cnnviz.architecture(model), Architecture)
    assert_type(cnnviz.attribute(model, PHOTO), cnnviz.Heatmap)
    assert_type(cnnviz.transfer_learning(model), TransferLearning)
    assert_type(cnnviz.compare(model, "shapes", "shapes-residual"), Comparison)
    assert_type(cnnviz.deconvnet(model, PHOTO), Projections)
    assert_type(cnnviz.explanations(model, PHOTO), Explanations)
    assert_type(cnnviz.faithfulness(model, PHOTO), Faithfulness)
    assert_type(cnnviz.feature_visualization(model, "layer:3"), FeatureVisualization)
    assert_type(cnnviz.filters(model), FilterGrid)
    assert_type(cnnviz.gradient_flow(model), GradientFlow)
    assert_type(cnnviz.gradient_whiteness(model), GradientWhiteness)
    assert_type(cnnviz.hierarchy(model, "shapes"), Hierarchy)
    assert_type(cnnviz.invariance(model, PHOTO), Invariance)
    assert_type(cnnviz.augmentation(model, PHOTO), Augmentation)
    assert_type(cnnviz.challenges(model, PHOTO), Challenges)
    assert_type(cnnviz.equivariance(model, PHOTO), Equivariance)
    assert_type(cnnviz.loss_landscape(model, PHOTO), LossLandscape)
    assert_type(cnnviz.network_diagram(model), NetworkDiagram)
    assert_type(cnnviz.normalization(model, PHOTO), Normalization)
    assert_type(cnnviz.occlusion(model, PHOTO), Occlusion)
    assert_type(cnnviz.pixels(model, PHOTO), Pixels)
    assert_type(cnnviz.receptive_field(model), EffectiveFields)
    assert_type(cnnviz.skip_connections(model, PHOTO), SkipConnections)
    assert_type(cnnviz.top_activations(model, "photos"), TopActivations)
    assert_type(cnnviz.training_history(model, "shapes", "checkpoints"), TrainingHistory)


def the_views_of_a_photo_alone_return_their_results() -> None:
    assert_type(cnnviz.convolve(PHOTO), Convolution)
    assert_type(cnnviz.weight_sharing(PHOTO), WeightSharing)


def the_views_of_nothing_return_their_results() -> None:
    assert_type(cnnviz.activation_functions(), ActivationFunctions)
    assert_type(cnnviz.convolve_signals(), SignalConvolution)
    assert_type(cnnviz.doctor(), Diagnosis)
    assert_type(cnnviz.famous_networks(), FamousNetworks)
    assert_type(cnnviz.losses(), Losses)
    assert_type(cnnviz.optimizers("beale"), OptimizerPaths)
    assert_type(cnnviz.overfitting(), Overfitting)


def the_other_functions_return_what_they_say(module: nn.Module) -> None:
    assert_type(cnnviz.load("resnet18"), cnnviz.Model)
    assert_type(cnnviz.load(module), cnnviz.Model)
    assert_type(cnnviz.capture(module, PHOTO), cnnviz.Capture)
    assert_type(cnnviz.report(module, PHOTO), cnnviz.Report)
    assert_type(cnnviz.error_analysis(module, "photos"), cnnviz.ErrorAnalysis)
    assert_type(cnnviz.evaluate_classifier(module, "photos"), cnnviz.ClassifierEvaluation)
    assert_type(cnnviz.lecture("shapes", PHOTO), cnnviz.Report)
    assert_type(cnnviz.explore(module, PHOTO), Explorer)
    assert_type(cnnviz.open_dataset("shapes"), cnnviz.Dataset)
    with cnnviz.GradientMonitor(module) as monitor:
        assert_type(monitor, cnnviz.GradientMonitor)


def settings_are_choices_and_not_any_text(model: cnnviz.Model) -> None:
    methods: list[Literal["saliency", "smoothgrad"]] = ["saliency", "smoothgrad"]
    for method in methods:
        assert_type(cnnviz.attribute(model, PHOTO, method), cnnviz.Heatmap)
