"""Helpers shared by all parts of the engine."""

from dassl.utils.logger import *  # noqa: F403
from dassl.utils.meters import *  # noqa: F403
from dassl.utils.registry import *  # noqa: F403
from dassl.utils.tools import *  # noqa: F403
from dassl.utils.torchtools import *  # noqa: F403
