"""Requests made from the OpenAPI document, right ones and wrong ones: no 5xx.

``benchmarks/api_fuzz.py`` does the same for as long as one likes, on the whole server.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from rsvlm.app.server.gate_settings import GateLimits
from tests.app.server.fakes import app_of, serving, stub

LIMITS = GateLimits(requests_per_minute=10**6, burst=10**6)
FEW = settings(
    max_examples=4, deadline=None, database=None, derandomize=True,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(app_of(stub("A port."), LIMITS)) as url:
        yield url


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_requests_made_from_the_document(address: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    sent: Counter[str] = Counter()

    def attack(operation: Any) -> None:
        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            response = case.call(timeout=30)
            sent[operation.label] += 1
            assert response.status_code < 500, response.text
            if response.status_code >= 400:
                fields = {"message", "type", "param", "code"}
                assert set(response.json()["error"]) == fields

        with contextlib.suppress(Unsatisfiable):  # a route that takes nothing
            send()

    for result in schema.get_all_operations():
        attack(result.ok())
    assert sent["POST /v1/chat/completions"] == 4
    assert sent["POST /v1/embeddings"] >= 2
    assert httpx.get(f"{address}/health").status_code == 200
