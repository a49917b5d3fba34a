"""Detection with the network in OpenVINO or ONNX Runtime, in place of torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from epropnp_det.errors import UserError

from ..detector import EProPnPDet
from ..image_geometry import ImageGeometry
from ..structures.predictions import ObjectPredictions, ScoredObjects
from .files import DESCRIPTION, SUFFIXES, fingerprint, import_package, to_onnx, to_openvino
from .network import NetworkInputs, NetworkOutputs, require_network

RUNTIMES = ("openvino", "onnxruntime")


@dataclass(frozen=True)
class Session:
    """A network that a runtime has compiled.

    Args:
        infer: from inputs by their names to outputs in the order of `NetworkOutputs`.
        description: see `files.description`.
    """

    infer: Callable[[dict[str, np.ndarray]], Sequence[np.ndarray]]
    description: dict[str, Any]


class RuntimeNetwork:
    """The network of a detector in another runtime, as `EProPnPDet.detect` calls it.

    Args:
        session: runs the network.
        score_threshold: least rank of an object.
    """

    def __init__(self, session: Session, score_threshold: float):
        self.session = session
        self.score_threshold = score_threshold

    def __call__(self, img: Tensor, geometry: ImageGeometry) -> ScoredObjects:
        """The objects of images (B, 3, H, W) on the images' device, as `find_objects`."""
        inputs = NetworkInputs(img, geometry.camera.matrix, geometry.image_size)
        arrays = {name: value.float().cpu().numpy() for name, value in inputs._asdict().items()}
        outputs = NetworkOutputs(*(torch.from_numpy(each) for each in self.session.infer(arrays)))
        return scored_objects(outputs, self.score_threshold).to(img.device)


def scored_objects(outputs: NetworkOutputs, score_threshold: float) -> ScoredObjects:
    """The objects of B images that reach the threshold, image-major and best first."""
    kept = outputs.rank >= score_threshold
    found = NetworkOutputs(*(value[kept] for value in outputs))
    size = found.size
    predictions = ObjectPredictions(
        noc=found.x3d / size[:, None],
        x2d=found.x2d,
        # Shares and scale leave the network as their product.
        w2d_share=found.w2d,
        w2d_scale=torch.ones_like(size[:, :2]),
        size_code=size.new_empty(len(size), 0, 3),  # serves training alone
        size=size,
        score=found.score_3d.logit(eps=torch.finfo(size.dtype).tiny),
        velocity=found.velocity,
        attribute=found.attribute,
    )
    return ScoredObjects(kept.nonzero()[:, 0], found.label, found.class_score, predictions)


# By runtime, the network of a model and the state of the model that it was made from.
Converted: TypeAlias = "dict[str, tuple[Any, RuntimeNetwork]]"
_converted: WeakKeyDictionary[nn.Module, Converted] = WeakKeyDictionary()


def runtime_network(model: nn.Module, runtime: str) -> RuntimeNetwork:
    """The network of a model in a runtime, made at the first call and again after the weights or
    the test settings of the model have changed.

    Args:
        model: from `init_model`.
        runtime: "openvino" or "onnxruntime", which convert the network in some seconds, or a file
            that `export` has written for this model.

    Raises:
        UserError: another runtime, a missing package, a model that has no export, or a file that
            is damaged or of another model.
    """
    detector = require_network(model)
    settings = detector.bbox_head.postprocess
    versions = [tensor._version for tensor in detector.state_dict(keep_vars=True).values()]
    converted = _converted.setdefault(detector, {})
    if runtime not in converted or converted[runtime][0] != (versions, settings):
        network = RuntimeNetwork(open_session(detector, runtime), settings.score_threshold)
        converted[runtime] = ((versions, settings), network)
    return converted[runtime][1]


def open_session(model: EProPnPDet, runtime: str) -> Session:
    """The network of a model, compiled; arguments and errors as of `runtime_network`."""
    if runtime == "openvino":
        return open_openvino(to_openvino(model))
    if runtime == "onnxruntime":
        import_package("onnxruntime")  # before the conversion, which takes seconds
        return open_onnxruntime(to_onnx(model))
    path = Path(runtime)
    if path.suffix not in SUFFIXES.values():
        raise UserError(
            f"runtime {runtime} is not torch, {', '.join(RUNTIMES)}, or a file of epropnp export"
        )
    if not path.is_file():
        raise UserError(f"runtime {path} does not exist; write it with epropnp export")
    try:
        session = open_onnxruntime(path) if path.suffix == ".onnx" else open_openvino(path)
    except UserError:
        raise
    except Exception as error:  # the errors of ONNX Runtime have no other base
        raise UserError(f"runtime {path} is damaged; write it again with epropnp export") from error
    if session.description.get("weights") != fingerprint(model):
        raise UserError(f"runtime {path} has other weights than the checkpoint; export it again")
    return session


def open_openvino(network: Any) -> Session:
    """An `openvino.Model`, or a file of one, on the CPU: in single precision, and on as many
    threads as torch.
    """
    openvino = import_package("openvino")
    core = openvino.Core()
    model = core.read_model(network) if isinstance(network, Path) else network
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # some processors would take bfloat16
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = core.compile_model(model, "CPU", settings)

    def infer(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = compiled(inputs)
        return [found[name] for name in NetworkOutputs._fields]

    known = model.has_rt_info(DESCRIPTION)
    return Session(infer, json.loads(model.get_rt_info(DESCRIPTION).astype(str)) if known else {})


def open_onnxruntime(network: bytes | Path) -> Session:
    """An ONNX file, or its content, on the CPU, on as many threads as torch."""
    onnxruntime = import_package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    content = network.read_bytes() if isinstance(network, Path) else network
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def infer(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return session.run(list(NetworkOutputs._fields), inputs)

    found = session.get_modelmeta().custom_metadata_map
    return Session(infer, json.loads(found.get(DESCRIPTION, "{}")))
