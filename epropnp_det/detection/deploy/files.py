"""Files of exported networks for OpenVINO (.xml with a .bin next to it) and ONNX (.onnx)."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from epropnp_det.engine.optional_packages import optional_package
from epropnp_det.engine.output_files import make_folder, write_bytes, writing
from epropnp_det.errors import UserError

from .network import DeformableConvolution, ExportableNetwork, NetworkInputs, NetworkOutputs

# Of the files that each package reads.
SUFFIXES = {"openvino": ".xml", "onnx": ".onnx"}
# The key of the description in a file.
DESCRIPTION = "epropnp_det"
# Images that the network is traced with. Their number and size are not part of the trace.
EXAMPLE = NetworkInputs(
    image=torch.zeros(2, 3, 128, 160),
    camera_matrix=torch.eye(3).repeat(2, 1, 1),
    image_size=torch.full((2, 2), 128.0),
)


def export(model: nn.Module, to: str, path: Path) -> None:
    """Writes the network of a detector to a file, with `description` inside.

    Args:
        model: from `init_model`.
        to: a key of `SUFFIXES`.
        path: ends in its suffix.

    Raises:
        UserError: as `check_export`, a model that has no export, or a file that cannot be written.
    """
    check_export(to, path)
    if to == "onnx":
        write_bytes(path, to_onnx(model))
    else:
        write_openvino(to_openvino(model), path)


def check_export(to: str, path: Path) -> None:
    """Raises UserError for a file with another suffix, and for packages that are not installed."""
    if path.suffix != SUFFIXES[to]:
        raise UserError(f"{path}: a file for {to} ends in {SUFFIXES[to]}")
    import_package(to)


def to_openvino(model: nn.Module) -> Any:
    """The network of a detector as an `openvino.Model`; raises as `export`."""
    # Not `openvino.convert_model`, which does the same and reports its use to a server.
    frontend = import_package("openvino.frontend")
    decoders = import_package("openvino.frontend.pytorch.ts_decoder")
    network = ExportableNetwork(model)
    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO 2026.4 converts the graph of torch.export wrongly, and takes ten times as long.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, tuple(EXAMPLE), check_trace=False)
        pytorch = frontend.FrontEndManager().load_by_framework("pytorch")
        decoder = decoders.TorchScriptPythonDecoder(traced)  # it has to outlive the conversion
        converted = pytorch.convert(pytorch.load(decoder))
    for port, name in zip(converted.inputs, NetworkInputs._fields, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(converted.outputs, NetworkOutputs._fields, strict=True):
        port.get_tensor().set_names({name})
    converted.set_rt_info(json.dumps(description(model)), DESCRIPTION)
    return converted


def write_openvino(converted: Any, path: Path) -> None:
    """Writes an `openvino.Model` to PATH.xml and PATH.bin, with weights in single precision."""
    openvino = import_package("openvino")
    make_folder(path.parent)
    with writing(path), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            openvino.save_model(converted, Path(folder, path.name), compress_to_fp16=False)
        except RuntimeError as error:
            raise UserError(f"{path} cannot be written; free some space") from error
        for suffix in (".bin", ".xml"):
            os.replace(Path(folder, path.stem + suffix), path.with_suffix(suffix))


def to_onnx(model: nn.Module) -> bytes:
    """The network of a detector as an ONNX file.

    Raises:
        UserError: as `export`, and a model with deformable convolutions.
    """
    onnx = import_package("onnx")
    network = ExportableNetwork(model)
    if any(isinstance(module, DeformableConvolution) for module in network.modules()):
        raise UserError(
            "ONNX runtimes have no deformable convolution; export this model with --to openvino"
        )
    names = (*NetworkInputs._fields, *NetworkOutputs._fields)
    axes = {name: {0: "batch"} for name in names}
    axes["image"] |= {2: "rows", 3: "columns"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "network.onnx")
        torch.onnx.export(
            network,
            tuple(EXAMPLE),
            path,
            input_names=list(NetworkInputs._fields),
            output_names=list(NetworkOutputs._fields),
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
        proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {DESCRIPTION: json.dumps(description(model))})
    return proto.SerializeToString()


def description(model: Any) -> dict[str, Any]:
    """Everything that a program needs besides the network: names, threshold, and how images are
    normalised. `weights` is the same for models with the same weights.
    """
    head = model.bbox_head
    steps = {step["type"]: step for step in model.cfg.data.test.pipeline}
    normalize = steps.get("Normalize", {})
    return dict(
        classes=list(head.classes.class_names),
        attributes=list(head.classes.attributes),
        admitted=[list(map(bool, row)) for row in head.classes.admitted],
        score_threshold=head.postprocess.score_threshold,
        mean=list(normalize.get("mean", ())),
        std=list(normalize.get("std", ())),
        weights=fingerprint(model),
    )


def fingerprint(model: Any) -> str:
    """Hash of the weights that a test uses."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if not key.startswith(model.TRAINING_KEYS):
            digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def import_package(name: str) -> ModuleType:
    """A package of the extra `export`.

    Raises:
        UserError: it is not installed; the message has the command that installs it.
    """
    package = name.partition(".")[0]
    message = (
        f"the package {package} is not installed: pip install 'epropnp_det[export]', or pip "
        "install -r requirements/export.txt"
    )
    return optional_package(name, message)
