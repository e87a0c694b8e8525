"""The loss of a step, with its gradients, as one compiled program: COMPILE of every trainer.

A step has many small operations, which a GPU may finish faster than Python can ask for them. The
compiler joins them, and on CUDA the program is captured as a graph that is started at once. It is
of one shape: mixup's pairs are drawn before. Where their number changes (pairs within classes)
it is made anew.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from promptkit import ranks

COMPILER = "inductor"  # of torch.compile

Loss = Callable[..., dict[str, Tensor]]


class CompiledSteps:
    """The part of a trainer that takes its loss as it is, or as one program."""

    goes_back_twice = False  # a step takes gradients of two losses
    chooses_classes = False  # a step encodes some classes, which its images choose
    prompts_of_each_image = False  # a step encodes every class for every image
    program: Loss | None = None  # the compiled loss

    def compile_steps(self) -> None:
        """Makes the program, with the option COMPILE, in `before_train`.

        Raises:
            ValueError: the step cannot be one.
        """
        self.program, self._is_warm = None, False
        if not self.options.compile:
            return
        if reason := why_not_compiled(self):
            raise ValueError(f"{self.node}.COMPILE must be False here: {reason}.")
        self.program = compiled(self.loss, self.device)

    def loss_of_step(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss with what is `drawn` for it."""
        arguments = images, labels, *self.drawn(labels)
        if self.program is None:
            with ranks.step():
                return self.loss(*arguments)
        if not self._is_warm:  # what prompts keep once, on this device, is no part of the program
            with torch.no_grad():
                self.loss(*arguments)
            self._is_warm = True
        return self.program(*arguments)


def why_not_compiled(trainer: Any) -> str:
    """What keeps a trainer's step from being compiled, in words; "" if nothing does."""
    options, name = trainer.options, type(trainer).__name__
    if ranks.count() > 1:
        return "a program does not wait for the other processes of the run (torchrun)"
    if trainer.goes_back_twice:
        # The compiler's programs overwrite what they keep for the way back: a second one is wrong.
        return f"{name} goes backward twice through one step, and a program only once"
    if trainer.chooses_classes:
        return f"{name} encodes other classes in every step, and a program is of one shape"
    path = trainer.node
    images = trainer.cfg.DATALOADER.TRAIN_X.BATCH_SIZE if trainer.prompts_of_each_image else 1
    count = trainer.num_classes * images
    if not trainer.has_optimizer:
        return f"{name} is not trained in steps of OPTIM's"
    if trainer.clip_model.not_shared or options.text_encoder != "fast":
        return f"it takes {path}.TEXT_ENCODER fast, and a backbone whose prompts share tokens"
    if options.chunk < count:
        return f"a step takes all {count} prompts at once, and {path}.CHUNK is {options.chunk}"
    return ""


def compiled(loss: Loss, device: torch.device) -> Loss:
    """A loss that is compiled, without a break, when it is first called with tensors of a shape.

    Raises:
        torch._dynamo.exc.Unsupported: on the first call; something cannot be traced.
    """
    if device.type != "cuda":
        return torch.compile(loss, backend=COMPILER, fullgraph=True)
    program = torch.compile(loss, backend=COMPILER, fullgraph=True, mode="reduce-overhead")

    def captured(*arguments: object) -> dict[str, Tensor]:
        torch.compiler.cudagraph_mark_step_begin()  # what the last step gave is not needed any more
        return program(*arguments)

    return captured
