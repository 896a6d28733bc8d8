"""Sample scenes by name, wherever a path does."""

from pathlib import Path


def image_path(name: str) -> str:
    """Return the path of an image.

    Args:
        name: A path, or the name of a sample scene; a file of that name comes first.

    Raises:
        AssetError: If the scene cannot be fetched.
    """
    if Path(name).exists() or not name.replace("-", "").isalnum():
        return name
    from rsvlm import assets

    asset = assets.table().get(name)
    if asset is None or asset.kind != "sample-image":
        return name
    if assets.cached(name) is None:
        from rsvlm.app.progress import fetch_all

        fetch_all([name])
    return str(assets.fetch(name) / asset.main)
