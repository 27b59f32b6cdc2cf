"""The files in which other programs read a network.

safetensors_file   arrays under the names of the formulas; predict reads it, too
onnx_file          a graph for onnxruntime
"""
