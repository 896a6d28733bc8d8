"""The network: encoders, projector, language model, region head.

Importing this package makes torchvision importable beside a CPU build of torch; it
must happen before transformers, timm or open_clip are imported.
"""

from rsvlm import torchvision_cpu

torchvision_cpu.install()
