"""A training run: what train, predict and export share, and none of them should carry.

settings        the settings of a run, and the flags made from them
dataset         what a run learns from: a text, its vocabulary and indices, and a device for them
directory       the directory of a run: its files, its lock, how it is found and read again
plot            its curve
run             the run itself: how far it has come, and how that is kept
resume          how it goes on
start           which run train was asked for, and how it begins
distributed     which part of a job this process is
"""
