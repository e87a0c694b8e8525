# shellcheck shell=bash disable=SC2034
# Methods that train on frozen features; BOUND have no classifier of other classes than their own.
BOUND=(LinearProbe LPPlusPlus TaskRes TipAdapter TipAdapterF)
UNBOUND=(CLAP CLIPAdapter GDA ProLIP ZSLP)
