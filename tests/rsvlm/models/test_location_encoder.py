"""Places to vectors, on random weights of the published shapes."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from rsvlm.errors import CheckpointError
from rsvlm.models.location_encoder import LocationEncoder, equal_earth

#: Radius of the sphere on which x and y are the angles of the encoder, over 180 degrees.
_SPHERE = "+proj=eqearth +R=1 +units=m"


@given(st.floats(-179, 179), st.floats(-85, 85))
def test_the_projection_is_equal_earth(lon: float, lat: float) -> None:
    wanted = Transformer.from_crs("+proj=longlat +R=1", _SPHERE, always_xy=True)
    x, y = wanted.transform(lon, lat)
    found = equal_earth(torch.tensor([[lon, lat]], dtype=torch.float64))[0]
    assert found.tolist() == pytest.approx(
        [x * 66.50336 / 180, y * 66.50336 / 180], abs=1e-6
    )


def test_weights_of_the_published_names_load(tmp_path: Path) -> None:
    torch.manual_seed(0)
    random = LocationEncoder()
    with torch.no_grad():
        for number in range(3):
            getattr(random, f"LocEnc{number}").capsule[0].b.normal_(0, 2**number)
    path = tmp_path / "location_encoder_weights.pth"
    torch.save(random.state_dict(), path)
    names = set(random.state_dict())
    assert {
        "LocEnc0.capsule.0.b",
        "LocEnc2.capsule.5.weight",
        "LocEnc1.head.0.bias",
    } <= (names)
    encoder = LocationEncoder.load(path)
    assert not any(p.requires_grad for p in encoder.parameters())
    places = torch.tensor([[2.35, 48.85], [2.35, 48.85], [-118.2, 33.7]])
    vectors = encoder(places)
    assert vectors.shape == (3, encoder.width)
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.allclose(vectors[0], vectors[2])
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="no weights of a location encoder"):
        LocationEncoder.load(path)
