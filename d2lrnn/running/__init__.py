"""A training run: what train, predict and export share, and none of them should carry.

settings        the settings of a run and how it is launched, and the flags made from them
dataset         what a run learns from: a text, its vocabulary, its shards and batches, a device for them
directory       what a run leaves: its files, its lock, how it is found and read again
averaging       the running mean of its weights
plot            its curve
run             the run itself: it trains, and says what is to be kept
closing         what it has learnt, in its closing lines
events          its metrics for TensorBoard
resume          how it goes on
start           which run train was asked for, and how it begins
distributed     which part of a job this process is
"""
