"""The network of ``rsvlm train regions``: an encoder and the region head on it."""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.labels import OBJECTS
from rsvlm.models.checkpoint import find_checkpoint
from rsvlm.models.encoder import (
    check_layers,
    encode,
    feature_width,
    frozen_encoder,
    patch_size,
)
from rsvlm.models.features import as_seen
from rsvlm.models.region_files import (
    ENCODER,
    HEAD_FILE,
    SETTINGS_FILE,
    FinderSettings,
    load_trunk,
    load_updates,
    load_weights,
    read_settings,
)
from rsvlm.models.region_head import MASK_FACTOR, RegionHead, RegionMaps
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.updates import FACTOR, add_updates, public_name


class RegionModel(nn.Module):
    """Everything that a run of ``rsvlm train regions`` may train."""

    def __init__(self, recipe: RegionRecipe) -> None:
        """Build the parts, from those of the checkpoint that the recipe starts from.

        Raises:
            SettingsError: If layers or blocks do not fit the encoder.
            CheckpointError: If the head to start from is missing or does not fit.
            AssetError: If a frozen part cannot be fetched.
        """
        super().__init__()
        self.recipe = recipe
        self.begin = find_checkpoint(recipe.start) if recipe.start else None
        #: Updates of a frozen encoder, from the run before.
        self._inherited: dict[str, Tensor] = {}
        self.lora: float | None = None
        self.encoder = self._encoder()
        self.text = TextEncoder.of(recipe.text_encoder)
        width = feature_width(self.encoder, recipe.layers)
        self.head = RegionHead(width, self.text.width, recipe.width, recipe.embedding)
        if self.begin:
            load_weights(self.head, self.begin / HEAD_FILE)

    def _encoder(self) -> nn.Module:
        recipe, begin = self.recipe, self.begin
        # Heads of checkpoints without settings stand on the plain encoder.
        known = begin and (begin / SETTINGS_FILE).is_file()
        before = read_settings(begin) if begin and known else None
        updates = load_updates(begin / HEAD_FILE) if begin else {}
        if recipe.learn == "head":
            if before and begin and before.lora is not None:
                self._inherited = {f"{ENCODER}{k}": v for k, v in updates.items()}
                self.lora = before.lora
                encoder = load_trunk(before, begin)
            else:
                encoder = frozen_encoder(recipe.encoder)
            check_layers(encoder.config, recipe.layers)
            return encoder
        encoder = frozen_encoder(recipe.encoder).float()
        check_layers(encoder.config, recipe.layers)
        add_updates(encoder, recipe.rank, recipe.first_block)
        self.lora = FACTOR
        own = {public_name(name): p for name, p in encoder.named_parameters()}
        for name, value in updates.items():
            if name not in own or own[name].shape != value.shape:
                raise CheckpointError(
                    f"The updates of the encoder in {begin} do not fit the recipe: "
                    f"{name!r} differs. Keep its encoder, 'rank' and 'first_block', or "
                    "leave out 'start'."
                )
            own[name].data.copy_(value)
        return encoder

    @property
    def patch(self) -> int:
        """Side of a patch in px."""
        return patch_size(self.encoder)

    def forward(self, batch: Mapping[str, Tensor], queries: Tensor) -> RegionMaps:
        """Compute the maps of K descriptions.

        Args:
            batch: ``features`` (B, D, h, w) and ``colours`` (B, 3, 4h, 4w, 0-255) of
                kept pictures, or ``picture``: RGB of shape (B, H, W, 3), uint8, H and W
                multiples of the patch.
            queries: Unit vectors of the descriptions, shape (K, query_dim).
        """
        if "picture" in batch:
            features, colours = self._seen(batch["picture"])
        else:
            features = batch["features"].float()
            colours = batch["colours"].float() / 255
        asked = queries[None].expand(len(features), -1, -1)
        maps: RegionMaps = self.head(features, colours, asked)
        return maps

    def _seen(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        family = str(cast(Any, self.encoder.config).model_type)
        rgb, pixels = as_seen(picture, family)
        tokens = encode(self.encoder, pixels, self.recipe.layers)  # (B, N, D)
        rows, columns = (side // self.patch for side in picture.shape[1:3])
        features = tokens.transpose(1, 2).reshape(len(picture), -1, rows, columns)
        size = (MASK_FACTOR * rows, MASK_FACTOR * columns)
        colours = nn.functional.interpolate(rgb, size, mode="area")
        return features, colours

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the parameters that learn, by the names of a checkpoint."""
        own = {name: p for name, p in self.head.named_parameters()}
        own |= {
            f"{ENCODER}{public_name(name)}": parameter
            for name, parameter in self.encoder.named_parameters()
            if parameter.requires_grad
        }
        return own

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds."""
        return self._inherited | {n: p.detach() for n, p in self.trained().items()}

    def settings(self) -> FinderSettings:
        """Return how to read :meth:`state`; the scores are not calibrated."""
        recipe = self.recipe
        return FinderSettings(
            encoder=recipe.encoder,
            text_encoder=recipe.text_encoder,
            lora=self.lora,
            layers=recipe.layers,
            long_side=recipe.long_side,
            width=recipe.width,
            embedding=recipe.embedding,
            labels=tuple(OBJECTS),
        )
