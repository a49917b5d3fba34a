"""Recorded small heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from epropnp_det.detection.released.key_names import translate

from .small import build


@pytest.fixture(scope="module", params=["v2", "v1b_220411", "v1_basic"])
def recorded_head(request, reference_folder: Path) -> dict:
    return torch.load(reference_folder / f"head_{request.param}.pt", weights_only=True)


@pytest.fixture(scope="module", params=["v2", "v1b_220411"])
def recorded_step(request, reference_folder: Path) -> dict:
    return torch.load(reference_folder / f"train_{request.param}.pt", weights_only=True)


@pytest.fixture(scope="module", params=["v2", "v1"])
def components(request, reference_folder: Path) -> dict:
    return torch.load(reference_folder / f"components_{request.param}.pt", weights_only=True)


def load_recording(recorded: dict, auxiliary: bool = False):
    """The small head with the recorded weights, nothing missing and nothing left over."""
    head = build(recorded["cfg"], auxiliary=auxiliary)
    head.load_state_dict(translate(recorded["state_dict"], auxiliary))
    return head


@pytest.fixture(scope="module")
def head_of_recording(recorded_head: dict):
    return load_recording(recorded_head).eval()


@pytest.fixture(scope="module")
def head_of_step(recorded_step: dict):
    return load_recording(recorded_step, auxiliary=True).train()
