"""A run that is killed before an epoch and started again."""

import pytest


def killed_and_resumed(tiny_trainer, name: str, *options, epoch: int):
    """The trainer of the second start, trained to its end; it went on from `epoch`."""
    killed = tiny_trainer(name, *options, output="killed")
    before_epoch = killed.before_epoch

    def stop():
        if killed.epoch == epoch:
            raise KeyboardInterrupt
        before_epoch()

    killed.before_epoch = stop
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    killed.close_writer()
    resumed = tiny_trainer(name, *options, output="killed")
    resumed.train()
    assert resumed.start_epoch == epoch
    return resumed
