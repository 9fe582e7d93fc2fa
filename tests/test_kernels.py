"""What is measured about the processor is a yes or a no, and oneDNN multiplies as PyTorch does."""

import pytest
import torch

from groundtune.kernels import bf16_is_faster, linear, onednn_is_faster


def test_both_questions_have_an_answer() -> None:
    assert bf16_is_faster() in (True, False)
    assert onednn_is_faster() in (True, False)


ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@pytest.mark.skipif(not ONEDNN, reason="this PyTorch has no oneDNN")
@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("biased", [True, False])
def test_onednn_multiplies_as_pytorch_does(rows: int, biased: bool) -> None:
    a, weight, bias = torch.randn(1, rows, 16), torch.randn(8, 16), torch.randn(8) if biased else None

    with torch.inference_mode():
        assert torch.allclose(linear(a, weight, bias), torch.nn.functional.linear(a, weight, bias), atol=1e-4)
