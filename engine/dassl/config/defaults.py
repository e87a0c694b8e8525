"""Default values of every setting the engine reads."""

from yacs.config import CfgNode

# Each entry: one node of the tree. Tuples and lists may replace each other; apart from that a
# new value must have the type of the default.
_TREE = {
    "VERSION": 1,
    "OUTPUT_DIR": "./output",
    "RESUME": "",  # run folder to continue from; empty: OUTPUT_DIR
    "SEED": -1,  # negative: do not seed
    "USE_CUDA": True,  # use a GPU if there is one
    "VERBOSE": True,
    "INPUT": {
        "SIZE": (224, 224),  # height, width
        "INTERPOLATION": "bilinear",  # bilinear, bicubic or nearest
        "TRANSFORMS": (),
        "NO_TRANSFORM": False,
        "DRAFT": False,  # tests decode large JPEGs at a fraction of their size
        "PIXEL_MEAN": [0.485, 0.456, 0.406],
        "PIXEL_STD": [0.229, 0.224, 0.225],
        "CROP_PADDING": 4,
        "RRCROP_SCALE": (0.08, 1.0),
        "CUTOUT_N": 1,
        "CUTOUT_LEN": 16,
        "GN_MEAN": 0.0,  # Gaussian noise
        "GN_STD": 0.15,
        "RANDAUGMENT_N": 2,
        "RANDAUGMENT_M": 10,
        "COLORJITTER_B": 0.4,
        "COLORJITTER_C": 0.4,
        "COLORJITTER_S": 0.4,
        "COLORJITTER_H": 0.1,
        "RGS_P": 0.2,  # probability of a random gray scale
        "GB_P": 0.5,  # probability of a Gaussian blur
        "GB_K": 21,  # its kernel size in pixels
    },
    "DATASET": {
        "ROOT": "",
        "NAME": "",
        "SOURCE_DOMAINS": (),
        "TARGET_DOMAINS": (),
        "NUM_LABELED": -1,
        "NUM_SHOTS": -1,
        "VAL_PERCENT": 0.1,
        "STL10_FOLD": -1,
        "CIFAR_C_TYPE": "",
        "CIFAR_C_LEVEL": 1,
        "ALL_AS_UNLABELED": False,
    },
    "DATALOADER": {
        "NUM_WORKERS": 4,
        "K_TRANSFORMS": 1,  # how many augmented versions of each training image
        "RETURN_IMG0": False,  # also return the image without augmentation
        "TRAIN_X": {"SAMPLER": "RandomSampler", "BATCH_SIZE": 32, "N_DOMAIN": 0, "N_INS": 16},
        "TRAIN_U": {
            "SAME_AS_X": True,  # sampler and sizes as in TRAIN_X
            "SAMPLER": "RandomSampler",
            "BATCH_SIZE": 32,
            "N_DOMAIN": 0,
            "N_INS": 16,
        },
        "TEST": {"SAMPLER": "SequentialSampler", "BATCH_SIZE": 32},
    },
    "MODEL": {
        "INIT_WEIGHTS": "",
        "BACKBONE": {"NAME": "", "PRETRAINED": True},
        "HEAD": {
            "NAME": "",
            "HIDDEN_LAYERS": (),
            "ACTIVATION": "relu",
            "BN": True,
            "DROPOUT": 0.0,
        },
    },
    "OPTIM": {
        "NAME": "adam",
        "LR": 0.0003,
        "WEIGHT_DECAY": 5e-4,
        "MOMENTUM": 0.9,
        "SGD_DAMPNING": 0,  # spelled as in the configs people own
        "SGD_NESTEROV": False,
        "RMSPROP_ALPHA": 0.99,
        "ADAM_BETA1": 0.9,
        "ADAM_BETA2": 0.999,
        "STAGED_LR": False,
        "NEW_LAYERS": (),
        "BASE_LR_MULT": 0.1,
        "LR_SCHEDULER": "single_step",
        "STEPSIZE": (-1,),  # epochs; single_step: <= 0 means MAX_EPOCH
        "GAMMA": 0.1,
        "MAX_EPOCH": 10,
        "WARMUP_EPOCH": -1,  # <= 0: no warm-up
        "WARMUP_TYPE": "linear",  # linear or constant
        "WARMUP_CONS_LR": 1e-5,
        "WARMUP_MIN_LR": 1e-5,
        "WARMUP_RECOUNT": True,  # the main schedule starts counting after the warm-up
    },
    "TRAIN": {
        "CHECKPOINT_FREQ": 0,  # epochs; <= 0: only after the last
        "PRINT_FREQ": 10,  # batches; <= 0: print no progress
        "COUNT_ITER": "train_x",  # train_x, train_u or smaller_one
    },
    "TEST": {
        "EVALUATOR": "Classification",
        "PER_CLASS_RESULT": False,
        "COMPUTE_CMAT": False,
        "NO_TEST": False,
        "SPLIT": "test",
        "FINAL_MODEL": "last_step",  # last_step or best_val
    },
    "TRAINER": {"NAME": ""},
}


def make_defaults() -> CfgNode:
    """Build the default configuration."""
    return CfgNode(_TREE)
