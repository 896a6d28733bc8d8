"""Answers as JSON objects in the form that a client asks for (``response_format``).

``json_object`` is the answer object itself. A ``json_schema`` is filled by the names of
its properties, at the top from the answer and in lists from its regions or evidence;
what comes out is validated. So it works with every model: the words, counts, boxes and
areas of an answer are put into the form, the model never has to write JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import referencing

from rsvlm.answer import Answer
from rsvlm.app.server.errors import ApiError

#: Name of a property -> field of an answer.
OF_ANSWER = {
    **{name: name for name in (
        "schema", "task", "question", "text", "abstained", "confidence", "images",
        "regions", "count", "evidence", "trace", "model", "warnings", "timing_ms",
    )},
    **dict.fromkeys((
        "answer", "caption", "description", "summary", "response", "result", "reply",
        "label", "class", "class_name", "category", "scene", "scene_class", "land_use",
        "land_cover", "change", "changes", "difference", "reason", "explanation",
    ), "text"),
    **dict.fromkeys(("number", "total", "total_count", "n", "object_count"), "count"),
    **dict.fromkeys(
        ("objects", "detections", "instances", "boxes", "bboxes", "items"), "regions"
    ),
    **dict.fromkeys(("labels", "classes"), "labels"),
    **dict.fromkeys(
        ("present", "is_present", "exists", "found", "visible", "yes"), "present"
    ),
    **dict.fromkeys(("score", "certainty", "probability"), "confidence"),
    **dict.fromkeys(("area_m2", "area", "total_area", "total_area_m2"), "area_m2"),
    **dict.fromkeys(("sources", "citations", "references"), "evidence"),
}  # fmt: skip
#: Name of a property -> field of a region.
OF_REGION = {
    **{name: name for name in (
        "id", "image", "label", "kind", "confidence", "pixels", "hbb", "area_px",
        "area_m2", "geometry", "rle",
    )},
    **dict.fromkeys(("name", "class", "class_name", "category", "type", "object",
                     "description"), "label"),
    **dict.fromkeys(("score", "certainty", "probability"), "confidence"),
    **dict.fromkeys(("box", "bbox", "bbox_2d", "bounding_box", "xyxy"), "hbb"),
    **dict.fromkeys(("polygon", "corners", "points", "obb"), "pixels"),
    "area": "area_m2",
}  # fmt: skip
#: Names that stand for a region where a list holds no objects: type -> field.
_OF_ITEM = {"array": "hbb", "string": "label", "number": "confidence", "integer": "id"}

_MOST_CHARACTERS, _DEEPEST, _HEAVIEST = 65_536, 24, 20_000
#: Patterns of strangers can take for ever.
_NOT_TAKEN = frozenset({"pattern", "patternProperties", "$dynamicRef", "$recursiveRef"})
_NONE = object()


class NoFormError(ValueError):
    """Raised when an answer cannot be put into a form; says what is missing."""


class Form:
    """A JSON Schema that answers are put into."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Check a schema.

        Raises:
            ApiError: If it is none, or asks for what no answer has.
        """
        self.schema = dict(schema)
        kind = jsonschema.Draft202012Validator
        try:
            self._check_size(self.schema)
            kind.check_schema(self.schema)
            # No registry: nothing is fetched for a reference.
            self._validator = kind(self.schema, registry=referencing.Registry())
            self._check_names(self.schema, OF_ANSWER, 0)
        except jsonschema.SchemaError as error:
            raise _refused(f"it is not a JSON Schema: {error.message[:200]}") from None
        except NoFormError as error:
            raise _refused(str(error)) from None

    def fill(self, answer: Answer) -> dict[str, Any]:
        """Return an answer in this form.

        Raises:
            NoFormError: If the answer lacks what the form requires.
        """
        whole = answer.model_dump(mode="json", by_alias=True)
        target = self._target(self.schema)
        filled: Any = whole
        # A form that names all of an answer's fields is the answer object's own.
        if "properties" in target and not whole.keys() <= _properties(target).keys():
            filled = self._object(target, facts_of(whole), 0)
        try:
            fault = next(self._validator.iter_errors(filled), None)
        except (referencing.exceptions.Unresolvable, RecursionError):
            raise NoFormError("a reference of the schema leads nowhere") from None
        if fault is not None:
            place = "/".join(map(str, fault.absolute_path)) or "the whole"
            raise NoFormError(f"{place}: {fault.message[:200]}")
        return dict(filled)

    # checks

    def _check_size(self, schema: dict[str, Any]) -> None:
        try:
            if len(json.dumps(schema)) > _MOST_CHARACTERS:
                raise _refused(f"it is longer than {_MOST_CHARACTERS} characters")
        except RecursionError:
            raise _refused("it is too deep") from None

        def walk(value: Any, depth: int) -> None:
            if depth > 2 * _DEEPEST:
                raise _refused("it is too deep")
            inner: Sequence[Any] = ()
            if isinstance(value, dict):
                inner = list(value.values())
                if found := sorted(_NOT_TAKEN & set(value)):
                    raise _refused(f"{found[0]!r} is not taken; leave it out")
                if isinstance(value.get("$ref"), str):
                    self._target(value)
            elif isinstance(value, list):
                inner = value
            for part in inner:
                walk(part, depth + 1)

        walk(schema, 0)
        if self._weight(schema, {}) > _HEAVIEST:
            raise _refused("its references unfold to too much")

    def _weight(self, value: Any, known: dict[int, int]) -> int:
        """Return the parts of a schema with all references written out once."""
        if not isinstance(value, (dict, list)):
            return 0
        if id(value) not in known:
            known[id(value)] = 1  # what contains itself is counted once
            inner = list(value.values() if isinstance(value, dict) else value)
            if isinstance(value, dict) and isinstance(value.get("$ref"), str):
                inner.append(self._target(value))
            known[id(value)] = 1 + sum(self._weight(part, known) for part in inner)
        return known[id(value)]

    def _check_names(self, schema: Any, names: Mapping[str, str], depth: int) -> None:
        """Refuse required properties that no answer has."""
        if depth > _DEEPEST:
            return
        target = self._target(schema)
        for name, inner in _properties(target).items():
            field = names.get(name)
            if field is None:
                if name in target.get("required", ()) and not self._may_be_null(inner):
                    known = ", ".join(sorted(set(names)))
                    raise NoFormError(
                        f"no answer has a property {name!r}. Known there: {known}"
                    )
            elif field == "regions":
                for option in self._options(inner):
                    self._check_names(option.get("items", {}), OF_REGION, depth + 1)

    # filling

    def _target(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Follow references inside the schema."""
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if reference is None:
            return schema
        if not isinstance(reference, str) or depth > _DEEPEST:
            raise NoFormError("a reference of the schema leads nowhere")
        if reference == "#":
            return self._target(self.schema, depth + 1)
        found: Any = self.schema
        for step in reference.removeprefix("#/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) else None
        if not reference.startswith("#/") or not isinstance(found, dict):
            raise NoFormError(f"the reference {reference[:80]!r} leads nowhere")
        return self._target(found, depth + 1)

    def _options(self, schema: Any) -> list[dict[str, Any]]:
        """Return the forms that a value may have, each with one type at most."""
        target = self._target(schema)
        options = target.get("anyOf") or target.get("oneOf") or [target]
        found = []
        for option in map(self._target, options):
            kinds = option.get("type")
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                found.append({**option, "type": kind})
        return found

    def _may_be_null(self, schema: Any) -> bool:
        return any(option["type"] == "null" for option in self._options(schema))

    def _object(
        self, schema: dict[str, Any], facts: Mapping[str, Any], depth: int
    ) -> dict[str, Any]:
        names = OF_REGION if "hbb" in facts else OF_ANSWER
        filled: dict[str, Any] = {}
        for name, inner in _properties(schema).items():
            value = facts.get(name, facts.get(names.get(name, ""), _NONE))
            try:
                filled[name] = self._value(inner, value, facts, depth + 1)
            except NoFormError:
                if name in schema.get("required", ()):
                    raise NoFormError(f"the answer has no {name!r}") from None
        return filled

    def _value(self, schema: Any, value: Any, facts: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise NoFormError("the schema is too deep")
        options = self._options(schema)
        for option in options:
            if option["type"] == "null" or value is _NONE:
                continue
            try:
                return self._typed(option, value, facts, depth)
            except NoFormError:
                continue
        if any(option["type"] == "null" for option in options):
            return None
        raise NoFormError("there is no such value")

    def _typed(self, schema: dict[str, Any], value: Any, facts: Any, depth: int) -> Any:
        kind = schema["type"]
        if "properties" in schema and isinstance(value, dict):
            return self._object(schema, value, depth)
        if kind == "array" or (kind is None and isinstance(value, list)):
            if not isinstance(value, list):
                raise NoFormError("it is no list")
            items = schema.get("items", {})
            return [self._item(items, item, depth) for item in value]
        if "enum" in schema or "const" in schema:
            allowed = schema.get("enum", [schema.get("const")])
            return _chosen(value, allowed)
        if kind is None:
            return value
        return _converted(value, kind, facts)

    def _item(self, schema: Any, item: Any, depth: int) -> Any:
        if isinstance(item, dict) and "hbb" in item:
            for option in self._options(schema):
                if option["type"] in _OF_ITEM:
                    plain = item[_OF_ITEM[option["type"]]]
                    return self._value(option, plain, item, depth + 1)
        return self._value(schema, item, {}, depth + 1)


def facts_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an answer object and what follows from them."""
    regions = answer["regions"]
    areas = [region["area_m2"] for region in regions]
    text = str(answer["text"])
    present: bool | None = _yes_or_no(text)
    if present is None and not answer["abstained"]:
        present = bool(regions) if answer["count"] is None else answer["count"] > 0
    return {
        **answer,
        "labels": list(dict.fromkeys(region["label"] for region in regions)),
        "present": present,
        "area_m2": None if not areas or None in areas else round(sum(areas), 1),
    }


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _yes_or_no(text: str) -> bool | None:
    word = re.match(r"\W*(yes|no|true|false|there (?:is|are) (?:no\b)?)", text.lower())
    if word is None:
        return None
    return not word[1].startswith(("no", "false")) and not word[1].endswith("no")


def _chosen(value: Any, allowed: Sequence[Any]) -> Any:
    """Return the allowed value that a text names, if it is one only."""
    if value in allowed:
        return value
    words = re.sub(r"[\W_]+", " ", str(value).lower())
    named = [
        option
        for option in allowed
        if isinstance(option, str)
        and f" {re.sub(r'[^a-z0-9]+', ' ', option.lower()).strip()} " in f" {words} "
    ]
    if len(named) != 1:
        raise NoFormError(f"the text names {len(named)} of the allowed values")
    return named[0]


def _converted(value: Any, kind: str, facts: Mapping[str, Any]) -> Any:
    """Return a value as a type of JSON; numbers stand as words in some texts."""
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "string" and isinstance(value, (int, float)):
        return str(value)
    if kind == "boolean":
        said = value if isinstance(value, bool) else _yes_or_no(str(value))
        if said is not None:
            return said
    if kind in ("integer", "number"):
        if isinstance(value, str):
            written = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\W*", value)
            value = float(written[1]) if written else facts.get("count")
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and kind == "number":
            return value
        if is_number and float(value).is_integer():
            return int(value)
    if kind == "object" and isinstance(value, dict):
        return value
    raise NoFormError(f"it is no {kind}")


def _refused(reason: str) -> ApiError:
    return ApiError(
        400,
        f"response_format.json_schema cannot be used: {reason}. An answer is filled in "
        "by the names of the properties, see docs/serving.md.",
        code="invalid_json_schema",
        param="response_format",
    )
