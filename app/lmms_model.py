"""rsvlm as a model of lmms-eval.

lmms-eval imports this module, by the plugin that
:func:`rsvlm.eval.bridges.lmms_eval.export` writes; rsvlm itself never does, since it
does not depend on lmms-eval. A task of ours is asked exactly as ``rsvlm eval run`` asks
it, with the original images; any other task gives its words and pictures.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lmms_eval.api.model import lmms  # type: ignore[import-not-found, unused-ignore]

from rsvlm.app.build import build_assistant
from rsvlm.errors import RsvlmError, SettingsError
from rsvlm.eval.asking import AssistantAsker
from rsvlm.eval.bridges.lmms_task import Tasks, sample_of
from rsvlm.eval.records import Prediction, to_line
from rsvlm.raster import Raster


class Rsvlm(lmms):  # type: ignore[misc, unused-ignore]
    """An rsvlm assistant.

    ``--model_args model=tiny`` names a checkpoint: a shipped one, or a folder.

    Attributes:
        folder: Where the exported tasks are; the plugin sets it.
    """

    is_simple = True
    folder = Path()

    def __init__(
        self,
        model: str = "tiny",
        batch_size: int | str = 1,
        device: str | None = None,
        **others: Any,
    ) -> None:
        """Load a checkpoint; what lmms-eval gives to every model is ignored."""
        super().__init__()
        if others:
            raise SettingsError(
                f"The model rsvlm has no argument {min(others)!r}. It has: model."
            )
        self.asker = AssistantAsker(build_assistant(model), model)
        self.tasks = Tasks(self.folder)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return a reply to each request."""
        return [self._reply(*request.args) for request in requests]

    def _reply(
        self,
        words: str,
        settings: Mapping[str, Any],
        pictures: Callable[[Any], Sequence[Any]],
        number: int,
        task: str,
        split: str,
    ) -> str:
        doc = self.task_dict[task][split][number]
        if "rsvlm_task" in doc:
            return self._own(doc)
        with ExitStack() as stack:
            rasters = [
                stack.enter_context(Raster.from_bytes(_png(picture), f"image {i + 1}"))
                for i, picture in enumerate(pictures(doc))
            ]
            if not rasters:
                return ""  # words alone: this model looks at images
            return self.asker.assistant.ask(rasters, words).text

    def _own(self, doc: Mapping[str, Any]) -> str:
        """Return the reply to a sample of ours as a line of ``rsvlm.prediction/1``."""
        sample = sample_of(doc)
        benchmark = self.tasks.benchmark(doc["rsvlm_task"])
        images = [
            image.model_copy(update={"path": path})
            for image, path in zip(sample.images, doc["images"], strict=True)
        ]
        placed = sample.model_copy(update={"images": tuple(images)})
        try:
            prediction = self.asker.ask(benchmark, placed, self.tasks.folder, 0)
        except RsvlmError as error:
            text = " ".join(str(error).split())
            prediction = Prediction(id=sample.id, status="error", error=text)
        return to_line(prediction)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuse tasks that compare likelihoods."""
        raise SettingsError(
            "rsvlm answers questions and gives no likelihood of a text. Choose tasks "
            "of output_type generate_until."
        )

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse tasks of several rounds."""
        raise SettingsError(
            "rsvlm answers one question at a time. Choose tasks of output_type "
            "generate_until."
        )


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()
