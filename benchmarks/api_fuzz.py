"""Fuzz the server by its own OpenAPI document: whatever is sent, no 5xx comes back.

Run: ``python benchmarks/api_fuzz.py --examples 200`` (starts benchmarks/stub_server.py), or
``--url http://127.0.0.1:8000`` for a server that runs. Prints the statuses of each route
and every request that was answered 5xx, or not at all, or not as OpenAI answers errors.
Exit status 1 if there was one. schemathesis makes requests that the document allows and
requests that it does not; besides, good questions are sent with a few fields spoiled.
"""

import argparse
import base64
import contextlib
import io
import sys
from collections import Counter, defaultdict
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import GenerationMode
from stub_server import started

#: Seconds until a request counts as not answered.
_PATIENCE = 60
#: Values that programs tend to stumble over.
_ODD = (
    None, True, 0, -1, 10**9, 2**70, 1e308, "", "<image>", "<|im_end|>", "\0", "é" * 3000,
    [], {}, [None], [[[]]], {"url": "file:///etc/passwd"}, "data:image/png;base64,AAAA",
    "http://127.0.0.1/", "/etc/passwd", "sample-nothing", ["\n"] * 50,
)  # fmt: skip
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = (
    "model", "messages", "n", "stop", "seed", "stream", "stream_options", "logprobs",
    "top_logprobs", "max_tokens", "max_completion_tokens", "temperature", "top_p", "tools",
    "response_format", "rsvlm", "user", "chat_template", "mm_processor_kwargs", "best_of",
    "logit_bias", "modalities", "metadata",
)  # fmt: skip
_OPTIONS = ("task", "shape", "zoom", "knowledge", "sensor", "return", "focus", "odd")


def _picture() -> str:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (90, 120, 60)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@st.composite
def spoiled(draw: st.DrawFn, model: str) -> dict[str, Any]:
    """Return a good question with one to three odd fields."""
    address = {"url": _picture()}
    image = {"type": "image_url", "image_url": address}
    text = {"type": "text", "text": "What is number 1?"}
    message = {"role": "user", "content": [image, text]}
    options: dict[str, Any] = {}
    body = {"model": model, "messages": [message], "rsvlm": options}
    places: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (body, _FIELDS), (options, _OPTIONS), (message, ("role", "content", "name")),
        (image, ("type", "image_url", "text")), (text, ("type", "text")),
        (address, ("url", "detail", "odd")),
    ]  # fmt: skip
    for _ in range(draw(st.integers(1, 3))):
        place, names = draw(st.sampled_from(places))
        place[draw(st.sampled_from(names))] = draw(st.sampled_from(_ODD) | _JSON)
    return body


class Fuzzer:
    """Sends requests and keeps what came of them.

    Attributes:
        statuses: Route -> how often each status came.
        faults: A line for each request that was answered as it must not be.
    """

    def __init__(self, address: str, examples: int) -> None:
        """Prepare.

        Args:
            address: Of the server.
            examples: Requests of each kind to each route.
        """
        self.address, self.examples = address, examples
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.faults: list[str] = []

    def run(self) -> None:
        """Send everything."""
        schema = schemathesis.openapi.from_url(f"{self.address}/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                cases = operation.as_strategy(generation_mode=mode)
                self._attack(operation.label, cases, self._send_case)
        model = requests.get(f"{self.address}/v1/models", timeout=_PATIENCE).json()
        bodies = spoiled(model["data"][0]["id"])
        self._attack("POST /v1/chat/completions, spoiled", bodies, self._send_body)

    def _attack(self, label: str, strategy: Any, send: Any) -> None:
        @settings(
            max_examples=self.examples, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(thing=strategy)
        def attack(thing: Any) -> None:
            try:
                response, shown = send(thing)
            except requests.RequestException as error:
                self.faults.append(f"{label}: {error!r}")
                return
            self.statuses[label][response.status_code] += 1
            if fault := _fault(response):
                self.faults.append(f"{label}: {fault} to {shown[:2000]}")

        with contextlib.suppress(Unsatisfiable):  # a route without parameters
            attack()

    def _send_case(self, case: Any) -> tuple[requests.Response, str]:
        return case.call(timeout=_PATIENCE), case.as_curl_command()

    def _send_body(self, body: Any) -> tuple[requests.Response, str]:
        url = f"{self.address}/v1/chat/completions"
        return requests.post(url, json=body, timeout=_PATIENCE), repr(body)


def _fault(response: Any) -> str:
    if response.status_code >= 500:
        return f"{response.status_code} {response.text[:200]}"
    if response.status_code >= 400:
        try:
            error = response.json()["error"]
            if set(error) != {"message", "type", "param", "code"}:
                return f"the error {error}"
        except (ValueError, KeyError, TypeError):
            return f"{response.status_code} {response.text[:200]!r}"
    return ""


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs")
    parser.add_argument("--examples", type=int, default=100)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        address = asked.url or stack.enter_context(started("--delay-ms", "0"))[0]
        fuzzer = Fuzzer(address, asked.examples)
        fuzzer.run()
    for label, counts in fuzzer.statuses.items():
        print(f"{label:45} {dict(sorted(counts.items()))}")
    total = sum(counts.total() for counts in fuzzer.statuses.values())
    print(f"{total} requests, {len(fuzzer.faults)} faults")
    for fault in fuzzer.faults[:50]:
        print(fault)
    sys.exit(bool(fuzzer.faults))


if __name__ == "__main__":
    main()
