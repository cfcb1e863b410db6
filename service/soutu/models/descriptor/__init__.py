"""The hand-made descriptor `gradient-color`: a picture model that needs no training, as an ONNX graph."""
