"""Recorded small heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from epropnp_det.models.released import translate_v2

from .small import build


@pytest.fixture(scope="module")
def recorded_head(reference_folder: Path) -> dict:
    return torch.load(reference_folder / "head_v2.pt", weights_only=True)


@pytest.fixture(scope="module")
def recorded_step(reference_folder: Path) -> dict:
    return torch.load(reference_folder / "train_v2.pt", weights_only=True)


@pytest.fixture(scope="module")
def components(reference_folder: Path) -> dict:
    return torch.load(reference_folder / "components_v2.pt", weights_only=True)


def load_recording(recorded: dict):
    """The small head with the recorded weights, nothing missing and nothing left over."""
    head = build(recorded["cfg"])
    head.load_state_dict(translate_v2(recorded["state_dict"]))
    return head


@pytest.fixture(scope="module")
def head_of_recording(recorded_head: dict):
    return load_recording(recorded_head).eval()


@pytest.fixture(scope="module")
def head_of_step(recorded_step: dict):
    return load_recording(recorded_step).train()
