"""What makes lesson 15 fast and lesson 17 safe: the parts of these lessons that need more than a page.

cells           one time step of each cell, forward and backward
layers          all time steps of a layer as one graph
backprop        the loss of a batch and its gradients, by hand
masks           what is set to 0 in training
update          clipping and the step: one wait, one pass
fast_decoding   writing a text some twenty characters a call
kvstore         what MXNet's parameter server silently gets wrong, refused in one place
"""
