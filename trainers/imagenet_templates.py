"""No method: ImageNet's sentences under their published names, see `promptkit.coop_names`."""

from promptkit.prompts import templates

IMAGENET_TEMPLATES = list(templates.IMAGENET_TEMPLATES)
IMAGENET_TEMPLATES_SELECT = list(templates.IMAGENET_TEMPLATES_SELECT)
