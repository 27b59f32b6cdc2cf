"""A training run: what train, predict, evaluate and export share, and none of them should carry.

settings        the settings of a run and how it is launched, and the flags made from them
dataset         what a run learns from: a text, its vocabulary, its shards and batches, a device for them
config          settings of a new run from a file
folder          its folder, read without MXNet: names, lock, what it says of itself, which is the newest
listing         what `runs` tells of it
directory       what a run leaves in it, and how that is read again
averaging       the running mean of its weights
plot            its curve
measure         how well its network predicts a text
writing         what a network writes: prefixes, stops, streams, and what tells several texts apart
conversation    prefixes from a terminal or a pipe
run             the run itself: it trains, and says what is to be kept
closing         what it has learnt, in its closing lines
events          its metrics for TensorBoard
origin          how it begins with the weights of another
resume          how it goes on
start           which run train was asked for, and how it begins
distributed     which part of a job this process is
"""
