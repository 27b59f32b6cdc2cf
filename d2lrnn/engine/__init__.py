"""What makes lesson 15 fast, and lesson 17 safe: parts of those lessons, which need more than a page.

cells           one time step of each cell, forward and backward
layers          all time steps of a layer as one graph
backprop        the loss of a batch and its gradients, by hand
update          clipping and the step: one wait, one pass
fast_decoding   writing a text some twenty characters a call
kvstore         what MXNet's parameter server does silently wrong, refused in one place
"""
