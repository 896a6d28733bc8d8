import json
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Protocol
from rsvlm.eval.protocols import METRICS, apply, checked, find_metric
from rsvlm.eval.records import Prediction
from rsvlm.eval.run_folder import BenchmarkFolder
from rsvlm.eval.score import combined, complete, finite, score, score_folder
from rsvlm.eval.scored import Scored
from rsvlm.eval.store import PredictionStore


def said(samples: list[Any], *texts: str) -> list[Prediction]:
    return [
        Prediction(id=s.id, raw=t, parsed=t, status="ok" if t else "empty")
        for s, t in zip(samples, texts, strict=True)
    ]


def test_a_value_has_intervals_and_baselines(made: Any) -> None:
    samples = [made.sample(number) for number in range(4)]  # two pictures
    benchmark = made.benchmark(group_by=["type"])
    (outcome,) = score(benchmark, samples, [said(samples, "yes", "yes", "no", "")])
    result = outcome.result
    assert (result.value, result.n, result.n_scored, result.n_failed) == (0.5, 4, 3, 1)
    assert result.ci95 == (0.0, 1.0)  # pictures are drawn: both good, both bad
    # s^2 / n = (4 * 0.25 / 3) / 4; clustered: 1/12 + (0.5 + 0.5) / 16
    assert result.stderr_clt == pytest.approx((1 / 12) ** 0.5)
    assert result.stderr_clustered == pytest.approx((1 / 12 + 1 / 16) ** 0.5)
    assert result.baselines == {"nothing": 0.0}
    assert outcome.rows[0].cluster == "p0.png"


def test_samples_alone_have_no_clusters(made: Any) -> None:
    samples = [made.sample(number) for number in range(4)]
    benchmark = made.benchmark(cluster_by="id")
    (outcome,) = score(benchmark, samples, [said(samples, "yes", "yes", "no", "no")])
    assert outcome.result.stderr_clustered is None
    assert outcome.result.stderr_clt is not None


def test_a_value_that_is_no_mean_has_no_standard_error(made: Any) -> None:
    protocol = {"id": "best", "metric": "best_of", "primary": True}
    samples = [made.sample(number) for number in range(4)]
    (outcome,) = score(
        made.benchmark(protocols=[protocol]), samples,
        [said(samples, "yes", "no", "no", "no")],
    )  # fmt: skip
    assert outcome.result.value == 1.0
    assert (outcome.result.stderr_clt, outcome.result.ci95) == (None, (0.0, 1.0))


def test_a_metric_that_fails_stops_no_other(made: Any) -> None:
    protocols = [
        {"id": "a", "metric": "unavailable"},
        {"id": "b", "metric": "exact", "primary": True},
    ]
    samples = [made.sample(0)]
    outcomes = score(
        made.benchmark(protocols=protocols), samples, [said(samples, "yes")]
    )
    assert [outcome.result.value for outcome in outcomes] == [None, 1.0]
    assert outcomes[0].result.details["note"] == "There is no Java. Install it."


def test_a_wrong_parameter_is_named(made: Any) -> None:
    protocol = Protocol.model_validate({"id": "x", "metric": "exact", "lowr": True})
    with pytest.raises(SettingsError, match=r"'lowr'\. Did you mean 'lower'"):
        checked(protocol)
    with pytest.raises(UnknownNameError, match="Unknown metric 'exakt'"):
        checked(Protocol(id="x", metric="exakt"))
    with pytest.raises(SettingsError, match="'samples'"):
        checked(Protocol.model_validate({"id": "x", "metric": "exact", "samples": 1}))


def test_every_metric_that_is_named_exists() -> None:
    for name in METRICS:
        assert callable(find_metric(name))


def test_a_metric_may_have_a_parameter_called_metric() -> None:
    def corpus(
        samples: Any, predictions: Any, protocol: str, *, metric: str, group_by: Any
    ) -> Scored:
        raise NotImplementedError

    fields = {"id": "x", "metric": "corpus", "variant": "bleu", "refs": [1, 2]}
    protocol = Protocol.model_validate(fields)
    with pytest.raises(SettingsError, match=r"'refs'\. Known: variant"):
        checked(protocol, corpus)
    protocol = Protocol(id="x", metric="corpus", variant="bleu")
    assert checked(protocol, corpus) == {"metric": "bleu"}


def test_predictions_and_samples_must_fit(made: Any) -> None:
    with pytest.raises(SettingsError, match="0 predictions do not fit 1 samples"):
        apply(Protocol(id="x", metric="exact"), [made.sample(0)], [])


def test_only_some_protocols_write_no_files(made: Any, tmp_path: Path) -> None:
    folder = BenchmarkFolder(tmp_path)
    protocols = [
        {"id": "a", "metric": "exact", "primary": True},
        {"id": "b", "metric": "exact", "lower": False},
    ]
    folder.begin(made.benchmark(protocols=protocols), [made.sample(0)])
    with PredictionStore(folder.predictions_file()) as store:
        store.add(Prediction(id="s0", raw="Yes", parsed="Yes"))
    (result,) = score_folder(folder, protocols=["b"])
    assert (result.protocol, result.value) == ("b", 0.0)
    assert not (tmp_path / "scores.jsonl").exists()
    with pytest.raises(UnknownNameError, match="protocol 'c'"):
        score_folder(folder, protocols=["c"])
    score_folder(folder)
    first = (tmp_path / "metrics.json").read_bytes()
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 2
    score_folder(folder)
    assert (tmp_path / "metrics.json").read_bytes() == first


def test_what_was_not_asked_counts_as_wrong(made: Any) -> None:
    samples = [made.sample(0), made.sample(1)]
    predictions = complete(samples, {"s1": Prediction(id="s1", parsed="yes")})
    assert [p.status for p in predictions] == ["error", "ok"]
    (outcome,) = score(made.benchmark(), samples, [predictions])
    assert (outcome.result.value, outcome.result.n_failed) == (0.5, 1)


def test_a_further_column_stands_beside_the_protocols(made: Any) -> None:
    samples = [made.sample(0)]

    def column(samples: Any, predictions: Any, group_by: Any) -> Any:
        return apply(Protocol(id="judge:x", metric="exact"), samples, predictions)

    outcomes = score(
        made.benchmark(), samples, [said(samples, "yes")], columns={"judge:x": column}
    )
    assert [o.result.protocol for o in outcomes] == ["exact", "judge:x"]


def test_repeats_of_a_ratio_are_resampled_together(made: Any) -> None:
    protocol = Protocol(id="best", metric="best_of")
    samples = [made.sample(0), made.sample(1)]
    parts = [
        apply(protocol, samples, said(samples, *texts))
        for texts in (("yes", "no"), ("no", "no"))
    ]
    whole = combined(parts)
    assert whole.value == 0.5
    assert whole.resample is not None
    assert (whole.resample([0]), whole.resample([1])) == (0.5, 0.0)


def test_json_gets_only_what_it_has() -> None:
    import numpy as np

    value = {"a": float("nan"), "b": np.array([1.0, np.inf]), 3: np.float32(0.5)}
    assert json.dumps(finite(value)) == '{"a": null, "b": [1.0, null], "3": 0.5}'


def test_no_sample_is_no_value(made: Any) -> None:
    (outcome,) = score(made.benchmark(), [], [[]])
    assert outcome.result.value is None


def test_a_protocol_may_look_at_some_questions_only(made: Any) -> None:
    samples = [
        made.sample(0, type="presence"),
        made.sample(1, type="count"),
        made.sample(2, type="count"),
    ]
    protocol = {
        "id": "counts", "metric": "vqa_accuracy", "match": "exact",
        "types": ["count"], "primary": True,
    }  # fmt: skip
    (outcome,) = score(
        made.benchmark(protocols=[protocol]), samples, [said(samples, "", "yes", "")]
    )
    result = outcome.result
    assert (result.value, result.n, result.n_failed) == (0.5, 2, 1)
    assert [row.id for row in outcome.rows] == ["s1", "s2"]
