"""The network of ``rsvlm train align``: trunks, heads, text encoder, temperatures."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.models.align_head import AlignHead
from rsvlm.models.aligned import (
    AlignSettings,
    encoded_side,
    normalised_squares,
    squares,
)
from rsvlm.models.aligned_files import (
    ALIGN_FILE,
    encoder_state,
    fill,
    learned,
    read_settings,
)
from rsvlm.models.bases import WEIGHTS, base_folder
from rsvlm.models.checkpoint import SHIPPED, load_tensors
from rsvlm.models.encoder import (
    build_encoder,
    check_layers,
    encode,
    feature_width,
    patch_size,
)
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.training.align_data import AlignRecipe, Shot
from rsvlm.training.align_loss import Chunk
from rsvlm.training.align_steps import Squares, Step, micro_batches
from rsvlm.training.features import FeatureCache, picture_hash
from rsvlm.training.run import file_hash
from rsvlm.training.tune_data import turn_patches
from rsvlm.training.updates import FACTOR, add_updates, public_name

#: First and largest factor on inner products; 100 is CLIP's bound.
FIRST_SCALE, LARGEST_SCALE = 14.0, 100.0


class AlignModel(nn.Module):
    """Everything that a run of ``rsvlm train align`` may train."""

    def __init__(self, recipe: AlignRecipe, folder: Path, cache: Path) -> None:
        """Build the parts; those that a recipe does not name stay frozen.

        Args:
            recipe: Settings.
            folder: Folder of the pictures.
            cache: Folder for what frozen trunks say of a picture.

        Raises:
            SettingsError: If layers or sizes do not fit the trunks.
            AssetError: If a trunk cannot be fetched.
        """
        super().__init__()
        self.recipe, self.folder = recipe, folder
        self._hashes: dict[str, str] = {}
        self._frozen = {s for s in recipe.encoders if recipe.is_frozen(s)}
        #: Updates of frozen trunks, and their factors, from the run before.
        self._inherited: dict[str, Tensor] = {}
        self._lora: dict[str, float] = {}
        begin = SHIPPED.get(recipe.start, Path(recipe.start)) if recipe.start else None
        before = learned(begin) if begin else ()
        self._kept: dict[str, FeatureCache] = {
            sensor: FeatureCache(
                cache,
                f"align 1 {asset} {recipe.layers} {recipe.size} {sensor}"
                + (
                    f" {file_hash(begin / ALIGN_FILE)}"
                    if begin and sensor in before
                    else ""
                ),
            )
            for sensor, asset in recipe.encoders.items()
            # A GPU encodes faster than a disk reads.
            if sensor in self._frozen and not torch.cuda.is_available()
        }
        self.text = TextEncoder.of(recipe.text_encoder)
        self.towers = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        for sensor, asset in recipe.encoders.items():
            tower = _trunk(asset, recipe)
            how = recipe.learn.get(sensor)
            tower.requires_grad_(how == "all")
            if how == "lora":
                add_updates(tower, recipe.rank, recipe.first_block)
            self.towers[sensor] = tower
            width = feature_width(tower, recipe.layers)
            self.heads[sensor] = AlignHead(width, self.text.width, recipe.width)
            self.heads[sensor].requires_grad_(how is not None)
        self.text.model.requires_grad_(recipe.learn.get("text") == "all")
        self.text_model = self.text.model
        if recipe.terms.get("location"):
            from rsvlm.models.location_encoder import LocationEncoder

            self.location = LocationEncoder.of().requires_grad_(False)
            self.location_head = nn.Linear(self.location.width, self.text.width)
        start = torch.tensor(FIRST_SCALE).log()
        self.log_scale = nn.Parameter(start.clone())
        self.log_scale_pair = nn.Parameter(start.clone())

    def begin_with(self, folder: Path) -> None:
        """Take over the weights of an earlier run; a frozen trunk keeps its updates.

        Raises:
            CheckpointError: If they are missing, damaged, or of another recipe.
        """
        own = {_public(name): value for name, value in self.named_parameters()}
        for sensor in learned(folder):
            if sensor in self._frozen:
                state = encoder_state(folder, sensor)
                fill(self.towers[sensor], state, folder)
        frozen = {f"{sensor}_encoder" for sensor in self._frozen}
        for name, tensor in load_tensors(folder / ALIGN_FILE).items():
            part = name.partition(".")[0]
            if part in frozen:
                self._inherited[name] = tensor
            elif name in own and own[name].shape == tensor.shape:
                own[name].data.copy_(tensor)
            elif not part.endswith("_dense"):
                raise CheckpointError(
                    f"{folder / ALIGN_FILE} does not fit the recipe: {name!r} differs. "
                    "Keep its encoders, layers, width, rank and parts, or leave out "
                    "'start'."
                )
        self._lora = read_settings(folder).lora

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the parameters that learn, by the names of a checkpoint."""
        return {
            _public(name): parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def clamp_scales(self) -> None:
        """Keep the temperatures where training is stable."""
        most = float(torch.tensor(LARGEST_SCALE).log())
        for parameter in (self.log_scale, self.log_scale_pair):
            parameter.clamp_(0.0, most)

    @property
    def patches(self) -> dict[str, int]:
        """Sensor -> side of a patch, px; of those that learn from pixels."""
        return {
            sensor: patch_size(tower)
            for sensor, tower in self.towers.items()
            if sensor not in self._kept
        }

    def chunks(self, step: Step, name: str) -> list[Chunk]:
        """Return functions that give the vectors of parts of a stream, in its order."""
        stream = step.streams[name]
        if name in step.pictures:
            return [
                partial(self._pictures, part, stream.kind)
                for part in step.pictures[name]
            ]
        parts = micro_batches(stream.items, self.recipe.micro_batch)
        if stream.kind == "text":
            return [partial(self._texts, part) for part in parts]
        if stream.kind == "location":
            return [partial(self._places, part) for part in parts]
        return [self._known(part, stream.kind) for part in parts]

    def _texts(self, texts: Sequence[str]) -> Tensor:
        device = self.log_scale.device
        if self.recipe.learn.get("text") == "all":
            return self.text.forward(texts).to(device)
        return self.text.encode(texts).to(device)

    def _places(self, lonlats: Sequence[tuple[float, float]]) -> Tensor:
        device = self.log_scale.device
        places = self.location(torch.tensor(lonlats, device=device))
        return nn.functional.normalize(self.location_head(places), dim=-1)

    def _pictures(self, pictures: Squares, sensor: str) -> Tensor:
        tower, head = self.towers[sensor], self.heads[sensor]
        family = str(cast(Any, tower.config).model_type)
        found = []
        for _, part in pictures.groups:
            pixels = normalised_squares(part, family, self.log_scale.device)
            with torch.set_grad_enabled(
                sensor not in self._frozen and torch.is_grad_enabled()
            ):
                features = encode(tower, pixels, self.recipe.layers)
            found.append(head(features))
        rows = torch.tensor([i for rows, _ in pictures.groups for i in rows])
        return torch.cat(found)[rows.argsort()]

    def _known(self, shots: Sequence[Shot], sensor: str) -> Chunk:
        """Return the vectors of a frozen trunk: features are kept, patches turned."""
        groups: dict[int, list[int]] = {}
        found = [self._features(shot, sensor) for shot in shots]
        for i, features in enumerate(found):
            groups.setdefault(len(features), []).append(i)
        order = torch.tensor([i for rows in groups.values() for i in rows]).argsort()
        stacks = [torch.stack([found[i] for i in rows]) for rows in groups.values()]

        def run() -> Tensor:
            device, head = self.log_scale.device, self.heads[sensor]
            parts = [head(stack.to(device).float()) for stack in stacks]
            return torch.cat(parts)[order]

        return run

    @torch.no_grad()
    def _features(self, shot: Shot, sensor: str) -> Tensor:
        """Return features of a shot, shape (N, D), in bfloat16."""
        path = shot.ref.path
        if path not in self._hashes:
            self._hashes[path] = picture_hash(shot.ref, self.folder)
        key, store = f"{self._hashes[path]} {shot.window}", self._kept[sensor]
        if key not in store:
            tower, picture = self.towers[sensor], shot.plain(self.folder)
            family = str(cast(Any, tower.config).model_type)
            height, width = picture.shape[:2]
            side = encoded_side(width, height, self.recipe.size, patch_size(tower))
            pixels = normalised_squares(
                squares([picture], side), family, self.log_scale.device
            )
            features = encode(tower, pixels, self.recipe.layers)[0]
            store.put(key, {"patches": features.to(torch.bfloat16).cpu()})
        patches = store.get(key)["patches"]
        return turn_patches(patches[None], shot.quarter, shot.mirror)[0]

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds: what was trained, and all heads."""
        state = self._inherited | {n: p.detach() for n, p in self.trained().items()}
        for sensor, head in self.heads.items():
            state |= {f"{sensor}_head.{k}": v for k, v in head.state_dict().items()}
        return state

    def settings(
        self, gsd_m: Mapping[str, tuple[float, float]], window_m: float | None
    ) -> AlignSettings:
        """Return how to read :meth:`state`.

        Args:
            gsd_m: Sensor -> finest and coarsest ground sample distance seen, m/px.
            window_m: Side of a window of a pair on the ground, m; None unknown.
        """
        recipe = self.recipe
        return AlignSettings(
            encoders={str(k): v for k, v in recipe.encoders.items()},
            text_encoder=recipe.text_encoder,
            layers=recipe.layers,
            size=recipe.size,
            width=recipe.width,
            lora=self._lora
            | {s: FACTOR for s in recipe.encoders if recipe.learn.get(s) == "lora"},
            places=recipe.places,
            background=recipe.background,
            window_m=window_m,
            gsd_m=dict(gsd_m),
        )


def _trunk(asset: str, recipe: AlignRecipe) -> nn.Module:
    from transformers import AutoConfig

    folder = base_folder(asset)
    config = AutoConfig.from_pretrained(folder)
    check_layers(config, recipe.layers)
    tower = build_encoder(config)
    tower.load_state_dict(load_file(folder / WEIGHTS))
    patch = patch_size(tower)
    if recipe.size % patch:
        raise SettingsError(
            f"A side of {recipe.size} px is no multiple of the patch of {asset!r}, "
            f"{patch} px. Change 'size'."
        )
    return tower.float()


def _public(name: str) -> str:
    """Return the name of a parameter in a checkpoint.

    >>> _public("towers.sar.encoder.layer.0.mlp.fc1.lora_A.default.weight")
    'sar_encoder.encoder.layer.0.mlp.fc1.lora_A.weight'
    """
    part, _, rest = name.partition(".")
    if part in ("towers", "heads"):
        sensor, _, inner = rest.partition(".")
        name = f"{sensor}_{'encoder' if part == 'towers' else 'head'}.{inner}"
    elif part == "text_model":
        name = f"text_encoder.{rest}"
    return public_name(name)
