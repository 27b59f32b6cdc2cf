"""A training run: what train, predict, evaluate and export share.

settings        the settings of a run and how it is launched, and the flags made from them
dataset         what a run learns from: a text, its vocabulary, its shards and batches, a device for them
config          settings of a new run from a file
recipes         settings that go together, by name
regularised     the network that it trains
folder          its folder, read without MXNet: names, lock, what they say about it, which is the newest
listing         what `runs` shows of it
directory       what a run leaves in it, and how that is read again
averaging       the running mean of its weights
plot            its curve
measure         how well its network predicts a text
adapting        the same while it learns from the text, and writing with a memory
writing         what a network writes: prefixes, stops, streams, and what tells several texts apart
conversation    prefixes from a terminal or a pipe
run             the run itself: it trains, and decides what is kept
closing         what it has learnt, in its closing lines
events          its metrics for TensorBoard
origin          how it starts from the weights of another
resume          how it is resumed
start           which run train was asked for, and how it starts
distributed     which part of a job this process is
"""
