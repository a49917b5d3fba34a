"""The code in docs/explanation/faq.md runs, and its assertions hold."""

from __future__ import annotations

import re
from pathlib import Path

import torch

FAQ = Path(__file__).parents[2] / "docs" / "explanation" / "faq.md"


def test_code_of_the_questions_and_answers() -> None:
    torch.manual_seed(0)
    code = re.findall(r"^```python\n(.*?)^```", FAQ.read_text(), re.MULTILINE | re.DOTALL)
    assert len(code) > 5
    exec(compile("\n".join(code), str(FAQ), "exec"), {})
