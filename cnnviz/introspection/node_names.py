"""What a node of autograd's graph is called in text, if it is an activation function.

Whatever is not known to be something else is one, by the name that the graph has for it: what
follows no rule must not go uncounted because it was written in an unusual way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = {
    "Abs": "absolute value",
    "Celu": "CELU",
    "Clamp": "clamp",
    "ClampMax": "clamp",
    "ClampMin": "clamp",
    "Copysign": "sign",
    "Elu": "ELU",
    "Exp": "exponential",
    "Exp2": "exponential",
    "Expm1": "exponential",
    "Gelu": "GELU",
    "Glu": "GLU",
    "Hardshrink": "hardshrink",
    "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish",
    "Hardtanh": "hardtanh",
    "LeakyRelu": "leaky ReLU",
    "Log": "logarithm",
    "Log10": "logarithm",
    "Log1P": "logarithm",
    "Log2": "logarithm",
    "LogSigmoid": "log sigmoid",
    "Logaddexp": "log-sum-exp",
    "Logaddexp2": "log-sum-exp",
    "Logsumexp": "log-sum-exp",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Fmax": "maximum",
    "Fmin": "minimum",
    "Mish": "Mish",
    "CudnnRnn": "recurrent layer",
    "LstmMps": "recurrent layer",
    "MiopenRnn": "recurrent layer",
    "MkldnnRnnLayer": "recurrent layer",
    "ThnnFusedGruCell": "recurrent layer",
    "ThnnFusedLstmCell": "recurrent layer",
    "Pow": "power",
    "PreluKernel": "PReLU",
    "Relu": "ReLU in TorchScript or torch.func",
    "RreluWithNoise": "RReLU",
    "Rsqrt": "square root",
    "Sgn": "sign",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Silu": "SiLU",
    "Sin": "sine",
    "Cos": "cosine",
    "Softplus": "softplus",
    "Softshrink": "softshrink",
    "Sqrt": "square root",
    "Tanh": "tanh",
    "Threshold": "threshold",
}
"""What the graph calls them, and what they are called in text.

A ReLU that keeps its own derivative was called where no call is seen.
"""
_SELU = "SELU"
_SELECTION = "choice among several values"
_SELECTS = frozenset(
    [
        "Amax",
        "Amin",
        "Aminmax",
        "Cummax",
        "Cummin",
        "IndexReduce",
        "Kthvalue",
        "Max",
        "Median",
        "Min",
        "Mode",
        "Nanmedian",
        "ScatterReduce",
        "SegmentReduce",
        "Sort",
        "Topk",
    ]
)
_MAX_POOLS = frozenset(["MaxPool2DWithIndices", "MaxPool3DWithIndices"])
_SUMS = frozenset(["mean", "sum"])
_PUTS_BESIDE = frozenset(["Cat", "ConstantPadNd", "Stack"])
_NORMS = frozenset(["LinalgVectorNorm", "Norm"])
_AVERAGES = frozenset(["AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AvgPool2D", "AvgPool3D"])
_REDUCES = _NORMS | _AVERAGES | frozenset(["Mean", "Std", "StdMean", "Sum", "Var", "VarMean"])
_MAYBE_OF_A_NORM = frozenset(["ClampMin", "Pow", "Rsqrt", "Sqrt"])

_KNOWN_OTHER = (
    # Sums, products and quotients.
    "Add Addbmm Addcdiv Addcmul Addmm Addmv Addr Baddbmm Bmm Cumsum Div Dot Lerp Linear Matmul "
    "Mean Mm Mul Mv Nansum Neg Prod Rsub Sub Sum Trace Trilinear Vdot Ldexp Reciprocal "
    "Cumprod GroupedMm Deg2Rad Rad2Deg SparseAddmm WeightNormInterface "
    # Convolutions, which differ by device.
    "Convolution ConvolutionOverrideable ConvDepthwise2D ConvDepthwise3D ConvTbc "
    "CudnnConvolution CudnnConvolutionTranspose MiopenConvolution MiopenConvolutionTranspose "
    "MiopenDepthwiseConvolution MkldnnConvolution MkldnnLinear MpsConvolution "
    "MpsConvolutionTranspose NnpackSpatialConvolution SlowConv2D SlowConv3D SlowConvDilated2D "
    "SlowConvDilated3D SlowConvTranspose2D SlowConvTranspose3D "
    # Means and maxima of neighbouring positions, and what undoes them.
    "AdaptiveAvgPool2D AdaptiveAvgPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D AvgPool2D AvgPool3D "
    "FractionalMaxPool2D FractionalMaxPool3D MaxPool2D MaxPool2DWithIndices MaxPool3DWithIndices "
    "MaxUnpool2D MaxUnpool3D MkldnnAdaptiveAvgPool2D MkldnnMaxPool2D MkldnnMaxPool3D "
    # Normalisation, attention and loss, whose derivative neither paper speaks of.
    "BatchNorm BatchNormNoUpdate BatchNormWithUpdate CudnnBatchNorm FusedRmsNorm LinalgVectorNorm "
    "MiopenBatchNorm NativeBatchNorm NativeBatchNormLegit NativeBatchNormLegitNoTraining "
    "NativeGroupNorm NativeLayerNorm Norm Std StdMean Var VarMean LogSoftmax MaskedSoftmax "
    "SafeSoftmax Softmax CudnnAttention EfficientAttention FlashAttention "
    "ScaledDotProductCudnnAttention ScaledDotProductEfficientAttention "
    "ScaledDotProductFlashAttention ScaledDotProductFlashAttentionForCpu "
    "ScaledDotProductFusedAttentionOverrideable Cdist Dist EuclideanDist Pdist "
    "BinaryCrossEntropy BinaryCrossEntropyWithLogits CtcLoss MseLoss NllLoss NllLoss2D "
    # Where values lie, and how they are kept.
    "AffineGridGenerator Alias AsStrided AsStridedScatter BlockDiag Cat ChannelShuffle Chunk Clone "
    "Col2Im Complex Conj ConjPhysical ConstantPadNd Copy CopyBackwards CudnnAffineGridGenerator "
    "CudnnGridSampler DiagEmbed Diagonal DiagonalScatter Embedding EmbeddingBag Expand FftC2C "
    "FftC2R FftR2C Fill Flip FusedDropout Gather GridSampler2D GridSampler2DCpuFallback "
    "GridSampler3D Im2Col Index IndexAdd IndexCopy IndexFill IndexPut IndexPutImpl IndexSelect "
    "LazyClone Lift LiftFresh MaskedFill MaskedScatter MaskedSelect MkldnnReshape NativeDropout "
    "NanToNum NarrowCopy NegView Permute PinMemory PixelShuffle PixelUnshuffle Put ReflectionPad1D "
    "ReflectionPad2D ReflectionPad3D Repeat ReplicationPad1D ReplicationPad2D ReplicationPad3D "
    "ReshapeAlias ReshapeCopy Roll Rot90 Scatter ScatterAdd Select SelectScatter Slice "
    "SliceInverse SliceScatter Split SplitWithSizes Squeeze Stack T Take ToCopy ToDense ToMkldnn "
    "Transpose Tril Triu Unbind Unfold UnsafeIndex UnsafeIndexPut UnsafeMaskedIndex "
    "UnsafeMaskedIndexPutAccumulate UnsafeSplit UnsafeSplitWithSizes UnsafeView Unsqueeze "
    "UpsampleBicubic2D UpsampleBicubic2DAa UpsampleBilinear2D UpsampleBilinear2DAa "
    "UpsampleLanczos2DAa UpsampleLinear1D UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D "
    "UpsampleNearestExact1D UpsampleNearestExact2D UpsampleNearestExact3D UpsampleTrilinear3D "
    "Values View ViewAsComplex ViewAsReal Where Zero"
)
"""Kinds of nodes that are no activation functions; whatever torch adds will count as one."""
_OTHER = frozenset(_KNOWN_OTHER.split())
_VIEWS = frozenset(
    [
        "Alias",
        "Clone",
        "Expand",
        "Permute",
        "ReshapeAlias",
        "Squeeze",
        "Transpose",
        "UnsafeView",
        "Unsqueeze",
        "View",
    ]
)
_ELEMENT_BY_ELEMENT = _VIEWS | frozenset(["Add", "Div", "Mul", "Sub", "ClampMin", "Neg"])


def activation_name(node: Any) -> str | None:
    """Return what a node of the graph is called, or None where it is no activation function."""
    kind = _kind(node)
    if kind in _SELECTS or kind in _MAX_POOLS:
        return None if _pools(node, kind) else _SELECTION
    if kind in _NORMS and math.prod(_shape_before(node)) == math.prod(_shape(node)):
        return _NAMES["Abs"]
    if kind in _OTHER or (kind in _MAYBE_OF_A_NORM and _is_of_a_norm(node, kind)):
        return None
    if kind == "Elu" and node._saved_scale != 1:
        return _SELU
    if re.fullmatch(r"\w+Backward\d+", node.name()) is None:
        # The end of the graph, or a function of C++, or of the network itself.
        return None
    return _NAMES.get(kind) or " ".join(re.findall("[A-Z][a-z0-9]*", kind)).lower()


def _kind(node: Any) -> str:
    kind = re.sub(r"Backward\d*$", "", node.name())
    # Without an upper end `clamp` is `clamp_min`, which of the two is called.
    lower = kind == "Clamp" and getattr(node, "_saved_max", kind) is None
    return "ClampMin" if lower else kind


def _pools(node: Any, kind: str) -> bool:
    """Whether what is chosen from are positions of a map, and not values put beside one another."""
    if math.prod(_shape_before(node)) == 1:  # which is no choice
        return True
    above = _above(node, _VIEWS)
    if kind in _MAX_POOLS:
        return _kind(above) != "Stack"
    if getattr(node, "_saved_reduce", None) in _SUMS:
        return True
    axes = _axes(node)
    if not axes or not _are_positions(node, axes):
        return False
    if _kind(above) == "Cat" and above is _above(node):
        return _axes(above).isdisjoint(axes)
    return _kind(above) not in _PUTS_BESIDE


def _are_positions(node: Any, axes: set[int]) -> bool:
    """Whether axes of what a node is given hold positions of one channel of one image each.

    However a map was viewed in between: the groups of channels of maxout are an axis of their own.
    """
    views, found = [], _before(node)
    while _kind(found[0]) in _VIEWS or _keeps_all(found[0]):
        views.append(found[0])
        found = _before(found[0])
    shape = tuple(_shape(*found))
    images, channels, *places = (*shape, 1, 1)
    labels = np.repeat(np.arange(images * channels, dtype=np.int32), math.prod(places))
    labels = labels.reshape(shape)
    for view in reversed(views):
        labels = _viewed(labels, view)
    along = tuple(axes)
    return bool((labels.max(along) == labels.min(along)).all())


def _viewed(labels: NDArray[np.int32], view: Any) -> NDArray[np.int32]:
    kind = _kind(view)
    if kind == "Transpose":
        return labels.swapaxes(_signed(view._saved_dim0), _signed(view._saved_dim1))
    if kind == "Permute":
        return labels.transpose([_signed(axis) for axis in view._saved_dims])
    if kind == "Expand":
        return np.broadcast_to(labels, _shape(view))
    return labels.reshape(_shape(view))


def _axes(node: Any) -> set[int]:
    """Return the axes that a node is about, counted from the first; none where it is about all."""
    of, rank = getattr(node, "_saved_dim", None), len(_shape_before(node))
    if of is None or not rank:
        return set()
    return {_signed(axis) % rank for axis in (of if isinstance(of, tuple) else (of,))}


def _signed(axis: int) -> int:
    # The graph has negative ones as unsigned numbers of 64 bits.
    return int(axis) - 2**64 * (axis >= 2**63)


def _is_of_a_norm(node: Any, kind: str) -> bool:
    """Whether it is part of a norm or standard deviation, or a product with itself."""
    if kind == "ClampMin":
        return _kind(_above(node, _VIEWS)) in _NORMS
    exponent = getattr(node, "_saved_exponent", None) if kind == "Pow" else None
    if isinstance(exponent, (int, float)) and exponent >= 0 and float(exponent).is_integer():
        return True
    return _kind(_above(node, _ELEMENT_BY_ELEMENT)) in _REDUCES


def _above(node: Any, skipped: frozenset[str] = frozenset()) -> Any:
    """Return the node that made what another is given, but for those of some kinds."""
    found, _ = _before(node)
    while _kind(found) in skipped or (skipped and _keeps_all(found)):
        found, _ = _before(found)
    return found


def _keeps_all(node: Any) -> bool:
    """Whether it is a slice of everything, as some releases of torch make of ``[:, None]``."""
    return _kind(node) == "Slice" and _shape(node) == _shape_before(node)


def _before(node: Any) -> tuple[Any, int]:
    """Return where the first input comes from that a gradient goes to."""
    found: tuple[Any, int] = next(way for way in node.next_functions if way[0] is not None)
    return found


def _shape_before(node: Any) -> Sequence[int]:
    before, index = _before(node)
    return _shape(before, index)


def _shape(node: Any, index: int = 0) -> Sequence[int]:
    found: Sequence[int] = node._input_metadata[index].shape
    return found
