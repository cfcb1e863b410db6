"""Local features: keypoints and descriptors out of dense maps, and matches out of them, as ONNX nodes."""
